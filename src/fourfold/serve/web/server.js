// The service, asked as any program may ask it.
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail);
    this.kind = problem.type?.split(":").pop() ?? "unexpected";
  }
}

async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ type: "gone", detail: String(error) });
  }
  if (answer.ok) return answer;
  throw new Refused(await answer.json().catch(() => ({ detail: answer.statusText })));
}

export async function isThere() {
  try {
    const answer = await fetch("/v1/health", { signal: AbortSignal.timeout(3000) });
    return (await answer.json()).status === "ready";
  } catch {
    return false;
  }
}

function form(values) {
  const made = new FormData();
  for (const [name, value] of Object.entries(values)) if (value !== undefined) made.append(name, value);
  return made;
}

// Follow a job to its end; onEvent(kind, data) is called for every event. The browser goes on where a connection broke off.
function followed(job, onEvent, signal) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(job.links.events);
    const over = (settle, value) => {
      source.close();
      signal?.removeEventListener("abort", stopped);
      settle(value);
    };
    const stopped = () => {
      fetch(job.links.self, { method: "DELETE" }).catch(() => {});
      over(reject, signal.reason);
    };
    signal?.addEventListener("abort", stopped);
    for (const kind of ["progress", "rows"]) source.addEventListener(kind, ({ data }) => onEvent(kind, JSON.parse(data)));
    source.addEventListener("state", ({ data }) => {
      const { state, attempt } = JSON.parse(data);
      onEvent("state", { state, attempt });
      if (state === "succeeded") over(resolve);
      if (state === "cancelled") over(reject, new DOMException("cancelled", "AbortError"));
      if (state === "failed") {
        asked(job.links.self)
          .then((answer) => answer.json())
          .then((shown) => over(reject, new Refused(shown.error)), (error) => over(reject, error));
      }
    });
    source.onerror = async () => {
      if (source.readyState === EventSource.CLOSED || !(await isThere())) over(reject, new Refused({ type: "gone" }));
    };
  });
}

async function createdJob(path, values, signal) {
  const key = crypto.randomUUID?.() ?? String(Math.random());
  for (;;) {
    const answer = fetch(path, { method: "POST", body: form(values), headers: { "Idempotency-Key": key }, signal });
    const got = await answer.catch((error) => {
      throw error.name === "AbortError" ? error : new Refused({ type: "gone" });
    });
    if (got.status !== 429) {
      if (!got.ok) throw new Refused(await got.json().catch(() => ({})));
      return got;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(got.headers.get("Retry-After") ?? 5)));
    signal?.throwIfAborted();
  }
}

export async function restore(file, { task, style, strength, pages }, onEvent, signal) {
  const chosen = task === "upscale" ? style : undefined; // only upscaling has styles
  const sent = await createdJob("/v1/jobs", { photo: file, task, style: chosen, strength: String(strength), pages }, signal);
  const job = await sent.json();
  await followed(job, onEvent, signal);
  const result = await asked(`${job.links.self}/result`, { signal });
  const report = (await (await asked(`${job.links.self}/report`, { signal })).json()).files[0];
  return { job, report, blob: await result.blob(), name: report.output, seconds: report.seconds, style: report.style };
}

// The address of the page that explains a finished job.
export async function explained(job, question) {
  const sent = await createdJob("/v1/ask", { job: job.id, brief: question });
  const asking = await sent.json();
  await followed(asking, () => {});
  return `${asking.links.self}/result`;
}

// The answer to a question, as an element of a document of which nothing runs.
export async function answered(brief) {
  const sent = await createdJob("/v1/ask", { brief });
  return new DOMParser().parseFromString((await sent.json()).html, "text/html").querySelector("main");
}
