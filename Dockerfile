# The service and its page. Built from a checkout: docker build -t fourfold .
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels '.[postgres]'

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'fourfold[postgres]' \
    && useradd --create-home --uid 10001 fourfold \
    && install -d -o fourfold -g fourfold /data
USER fourfold
# everything that is written lies in /data, so the rest of the file system may be read-only
ENV XDG_CACHE_HOME=/data/cache PYTHONDONTWRITEBYTECODE=1
VOLUME /data
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8484/v1/health', timeout=4)"]
ENTRYPOINT ["fourfold", "serve", "--host", "0.0.0.0", "--folder", "/data/serve"]
