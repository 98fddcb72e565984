"""The routes, asked as a program would ask them."""

import asyncio
import io
import json
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.testclient import TestClient

import fourfold
from fourfold.core.errors import MissingExtra
from fourfold.core.options import UpscaleOptions
from fourfold.serve import forms, problems, tasks
from fourfold.serve.app import application
from fourfold.serve.limits import ServeOptions
from serve_it import jpeg

HEAD = "title: x\nabout: x\ninputs:\n"


def problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == f"urn:fourfold:problem:{kind}"
    assert found["status"] == status
    return found["detail"]


def events(server, job, headers=None):
    answer = server.ask("GET", f"/v1/jobs/{job}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.text.split("\n\n") if block.startswith("id:")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def test_the_answer_is_what_the_plain_call_gives(server, tmp_path):
    photo = jpeg(50, 40)
    answer = server.create(photo, "/v1/upscale", scale="2", route="little", format="png")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert "my%20photo_x2.png" in answer.headers["content-disposition"]
    (tmp_path / "photo.jpg").write_bytes(photo)
    options = {"route": "little", "format": "png"}
    (report,) = fourfold.restore_files([str(tmp_path / "photo.jpg")], options=UpscaleOptions(scale=2, **options))
    with Image.open(io.BytesIO(answer.content)) as served, Image.open(report.output) as plain:
        assert served.size == (100, 80)
        assert served.tobytes() == plain.tobytes()


def test_a_job_from_its_creation_to_its_removal(server):
    answer = server.create(jpeg(60, 50), scale="2")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    done = server.over(job["id"])
    assert (done["state"], done["attempts"], done["error"], done["name"]) == ("succeeded", 1, None, "my photo.jpg")
    assert done["done"] == done["total"] >= 1
    assert done["expires"] > done["finished"] >= done["started"] >= done["created"]
    result = server.ask("GET", done["links"]["result"])
    with Image.open(io.BytesIO(result.content)) as picture:
        assert picture.size == (120, 100)
    report = server.ask("GET", done["links"]["report"]).json()["files"][0]
    assert (report["input"], report["output"], report["output_size"]) == ("my photo.jpg", "my photo_x2.jpg", [120, 100])
    assert str(server.folder) not in json.dumps(report)
    assert server.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    problem(server.ask("GET", f"/v1/jobs/{job['id']}"), 404, "no-job")
    assert not (server.folder / "jobs" / job["id"]).exists()


def test_events_tell_everything_once_and_go_on_where_they_broke_off(server):
    job = server.create(jpeg(60, 50)).json()["id"]
    told = events(server, job)
    kinds = [event["event"] for event in told]
    assert [json.loads(e["data"])["state"] for e in told if e["event"] == "state"] == ["queued", "running", "succeeded"]
    assert "progress" in kinds
    rows = [json.loads(event["data"]) for event in told if event["event"] == "rows"]
    assert sum(row["height"] for row in rows) == rows[0]["of"] == 200
    assert rows[0]["file"].startswith("data:image/jpeg;base64,/9j/")
    assert events(server, job, {"Last-Event-ID": told[1]["id"]}) == told[2:]


def test_the_same_key_does_the_work_once(server):
    photo, key = jpeg(30, 30), {"Idempotency-Key": "mine"}
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _n: server.create(photo, headers=key).json()["id"], range(4)))
    assert len(set(made)) == 1
    problem(server.create(photo, headers=key, scale="2"), 422, "idempotency")
    server.over(made[0])
    assert server.create(photo, headers=key).json()["state"] == "succeeded"


def test_workflows_run_by_name_and_as_written(server):
    names = {one["name"] for one in server.ask("GET", "/v1/workflows").json()}
    assert {"upscale", "softer"} <= names
    job = server.create(jpeg(), workflow="upscale", set=["scale=2"]).json()
    done = server.over(job["id"])
    assert done["state"] == "succeeded", done
    with Image.open(io.BytesIO(server.ask("GET", done["links"]["result"]).content)) as picture:
        assert picture.size == (48, 40)
    report = server.ask("GET", done["links"]["report"])
    assert str(server.folder) not in report.text
    assert report.json()["runs"][0]["saved"] == ["photo_large.jpg"]
    written = HEAD + "  photo:\nsteps:\n  a:\n    node: load\n    file: $photo\n  b:\n    node: save\n    image: a\n"
    done = server.over(server.create(jpeg(), workflow=written).json()["id"])
    assert done["state"] == "succeeded", done


@pytest.mark.parametrize(
    ("workflow", "settings"),
    [
        (HEAD + "  photo:\nsteps:\n  a:\n    node: load\n    file: /etc/passwd\n", []),
        (HEAD + "  photo: /etc/passwd\nsteps:\n  a:\n    node: load\n    file: $photo\n", []),
        (HEAD + "  other: /etc/passwd\nsteps:\n  a:\n    node: load\n    file: $other\n", []),
        ("upscale", ["photo=/etc/passwd"]),
        ("upscale", ["small.file=/etc/passwd"]),
        ("classify", ["little=/etc/passwd"]),
        ("../../../etc/passwd", []),
        ("upscale", ["restored.model=/models/other.onnx"]),
        ("upscale", ["restored.model=other.onnx"]),
        (HEAD + "  photo:\n  m: x.onnx\nsteps:\n  a:\n    node: load\n    file: $photo\n", []),
        ("/etc/passwd", []),
    ],
)
def test_no_workflow_reads_a_file_of_the_server(server, workflow, settings):
    answer = server.create(jpeg(), workflow=workflow, set=settings)
    if answer.status_code == 202:  # then the input that names a file was never bound
        job = server.over(answer.json()["id"])
        assert job["state"] == "failed"
        assert "root:" not in json.dumps(job)
    else:
        problem(answer, 422, "parameter")


@pytest.mark.parametrize(
    ("workflow", "told"),
    [
        ("title: x\na: " + "[" * 3000, "two or three levels"),
        ("a: b\n" * 20_000, "65,536"),
        ('a: "\\UFFFFFFFF"\n', "YAML"),
    ],
)
def test_a_workflow_made_to_hurt_is_refused_in_words(server, workflow, told):
    assert told in problem(server.create(jpeg(), workflow=workflow), 422, "parameter")


def test_a_workflow_is_read_beside_the_event_loop(tmp_path, monkeypatch):
    class Here:
        async def create(self, *_):
            raise problems.Problem(429, "busy", "only the reading is looked at")

    def opened(text):
        with suppress(RuntimeError):
            loops.append(asyncio.get_running_loop())
        return whole(text)

    loops, whole = [], tasks.opened
    monkeypatch.setattr(tasks, "opened", opened)
    served = application(ServeOptions(folder=tmp_path))
    served.state.service = Here()
    problem(TestClient(served).post("/v1/jobs", files={"workflow": (None, "upscale")}), 429, "busy")
    assert loops == []


def test_asking_with_and_without_a_photo(server):
    question = 'A user has asked the following question:\n"How can my small photo be made four times as large?"\n'
    answer = server.ask("POST", "/v1/ask", files={"brief": ("brief.txt", question)})
    assert answer.status_code == 200, answer.text
    assert "super-resolution" in answer.json()["markdown"]
    assert answer.json()["html"].startswith('<main lang="en">')
    answer = server.create(jpeg(), "/v1/ask", brief=question)
    assert answer.status_code == 202, answer.text
    done = server.over(answer.json()["id"])
    page = server.ask("GET", done["links"]["result"])
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "data:image/jpeg" in page.text
    problem(server.ask("POST", "/v1/ask", files={"brief": ("x", " ")}), 422, "parameter")


@pytest.mark.parametrize(
    "question",
    ["Why does it look sharp?", "왜 제 사진이 네 배로 커졌는데도 선명해 보이나요?"],
)
def test_a_question_about_a_run_is_answered_from_that_very_run(server, question):
    job = server.over(server.create(jpeg(60, 50), scale="3").json()["id"])
    report = server.ask("GET", job["links"]["report"]).json()["files"][0]
    answer = server.ask("POST", "/v1/ask", files={"brief": (None, question), "job": (None, job["id"])})
    done = server.over(answer.json()["id"])
    assert done["state"] == "succeeded", done
    page = server.ask("GET", done["links"]["result"]).text
    assert "180×150" in page
    assert f"{1000 * report['seconds_model']:.0f} ms" in page
    waiting = server.ask("POST", "/v1/ask", files={"brief": (None, "x"), "job": (None, "0" * 32)})
    problem(waiting, 404, "no-job")


def test_what_cannot_be_is_said_in_words(server):
    assert "2 megapixels" in problem(server.create(jpeg(1500, 1400)), 413, "too-many-pixels")
    assert "3 MB" in problem(server.create(b"\xff\xd8\xff" + bytes(5_000_000)), 413, "too-many-bytes")
    assert "text" in problem(server.create(b"not a picture at all"), 415, "not-a-picture")
    problem(server.create(b""), 415, "not-a-picture")
    assert "between 1 and 8" in problem(server.create(jpeg(), scale="9"), 422, "parameter")
    assert "Did you mean style?" in problem(server.create(jpeg(), styel="photo"), 422, "parameter")
    problem(server.ask("POST", "/v1/jobs", files={"scale": (None, "2")}), 422, "parameter")
    problem(server.create(jpeg(), model="/models/other.onnx"), 422, "model")
    problem(server.ask("POST", "/v1/jobs", json={}), 415, "form")
    problem(server.ask("GET", "/v1/jobs/nonsense"), 422, "request")
    problem(server.ask("GET", "/v1/nothing"), 404, "request")
    problem(server.ask("PUT", "/v1/jobs"), 405, "request")
    assert list((server.folder / "uploads").iterdir()) == []


def test_a_photo_whose_pixels_are_damaged_is_a_job_that_fails(server):
    whole = jpeg(200, 200)
    job = server.over(server.create(whole[: len(whole) // 4]).json()["id"])
    assert job["state"] == "failed"
    assert job["error"]["type"] == "urn:fourfold:problem:picture"
    assert "damaged" in job["error"]["detail"]
    assert str(server.folder) not in json.dumps(job)
    problem(server.ask("GET", f"/v1/jobs/{job['id']}/result"), 415, "picture")


def test_only_this_computer_under_its_own_name_and_no_other_page(server):
    problem(server.ask("GET", "/v1/models", headers={"Host": "evil.example"}), 421, "host")
    problem(server.create(jpeg(), headers={"Origin": "https://evil.example"}), 403, "origin")
    assert server.create(jpeg(), headers={"Origin": server.url}).status_code == 202
    answer = server.ask("OPTIONS", "/v1/jobs", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    for path in ("/", "/v1/health"):
        policy = server.ask("GET", path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe-inline" not in policy
    for path in ("/../pyproject.toml", "/..%2f..%2fetc/passwd", "/networks/../../core/errors.py"):
        assert server.ask("GET", path).status_code == 404


def test_models_tell_licence_and_checksums(server):
    found = {one["id"]: one for one in server.ask("GET", "/v1/models").json()}
    for card in fourfold.catalog.load.all_cards():
        assert found[card.id]["licence"] == card.licence
        assert found[card.id]["weights"][0]["sha256"] == card.weights[0].sha256
        assert found[card.id]["runs_here"]


def test_other_devices_show_the_token(start):
    server = start("--lan")
    assert "█" in server.greeting or "▀" in server.greeting or "▄" in server.greeting
    problem(server.ask("GET", "/v1/models"), 401, "token")
    problem(server.ask("GET", "/v1/models", headers={"Authorization": "Bearer no"}), 401, "token")
    assert server.ask("GET", "/v1/models", headers={"Authorization": f"Bearer {server.token}"}).status_code == 200
    answer = server.ask("GET", f"/?token={server.token}", allow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    assert server.ask("GET", "/v1/models", cookies=answer.cookies).status_code == 200
    assert not server.ask("GET", "/?token=no", allow_redirects=False).cookies


def test_the_printed_address_lets_in_with_any_token(start):
    server = start("--lan", FOURFOLD_TOKEN="a+b/c%41&d")
    answer = server.ask("GET", f"/?token={server.token}", allow_redirects=False)
    assert server.ask("GET", "/v1/models", cookies=answer.cookies).status_code == 200


def test_jobs_are_cancelled_also_when_the_client_goes_away(start):
    server = start()
    slow = {"scale": "8", "route": "big"}
    job = server.create(jpeg(900, 700), **slow).json()["id"]
    server.until(job, lambda job: job["done"] >= 1)
    assert server.ask("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert server.over(job)["state"] == "cancelled"
    assert server.job(job)["done"] < server.job(job)["total"]
    problem(server.ask("GET", f"/v1/jobs/{job}/result"), 409, "not-finished")
    with pytest.raises(requests.exceptions.Timeout):
        requests.post(f"{server.url}/v1/upscale", files={"photo": ("p.jpg", jpeg(1300, 1000))}, data=slow, timeout=1.5)
    (other,) = {path.name for path in (server.folder / "jobs").iterdir()} - {job}
    assert server.over(other)["state"] == "cancelled"


def test_a_request_with_a_key_that_broke_off_is_sent_again_and_gets_its_picture(server):
    key, slow = {"Idempotency-Key": "broke off"}, {"route": "big", "tile": "64"}
    photo = jpeg(300, 240)
    with pytest.raises(requests.exceptions.Timeout):
        requests.post(f"{server.url}/v1/upscale", files={"photo": photo}, data=slow, headers=key, timeout=0.3)
    answer = server.create(photo, "/v1/upscale", headers=key, **slow)
    assert answer.status_code == 200, answer.text
    assert server.job(answer.headers["content-location"].split("/")[3])["attempts"] == 1


def test_heic_comes_with_the_service_and_its_lack_is_a_problem_of_its_own(tmp_path, monkeypatch):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert "fourfold[heif]" in project["optional-dependencies"]["serve"]
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    upload = UploadFile(io.BytesIO(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(400)), filename="a.heic")
    with pytest.raises(MissingExtra, match="heif") as missing:
        asyncio.run(forms.keep(upload, ServeOptions(folder=tmp_path)))
    assert problems.of(missing.value).kind == "missing-extra"
    assert list((tmp_path / "jobs").iterdir()) == []


def test_too_much_time_or_memory_ends_a_job_and_not_the_service(start):
    server = start("--max-seconds", "1", "--max-waiting", "2")
    slow = {"scale": "8", "route": "big"}
    first = server.create(jpeg(1800, 1400), **slow).json()["id"]
    server.until(first, lambda job: job["state"] == "running")
    for _ in range(2):
        assert server.create(jpeg(), **slow).status_code == 202
    answer = server.create(jpeg())
    problem(answer, 429, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    job = server.over(first)
    assert job["state"] == "failed"
    assert "1 seconds" in job["error"]["detail"]
    small = start("--max-memory", "512", folder="small")
    job = small.over(small.create(jpeg(2500, 2000), scale="8", format="jpg").json()["id"])
    assert job["state"] == "failed"
    assert "memory" in job["error"]["detail"]
    assert small.over(small.create(jpeg()).json()["id"])["state"] == "succeeded"
