# Intake: itself and shared alone. Built from the root of the repository:
#   docker build -f deploy/intake.Dockerfile -t tidemark-intake .
FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /app
# The version of the release (--build-arg VERSION=1.2.3): the history of the repository is not in the image.
ARG VERSION=0.0.0
ENV SETUPTOOLS_SCM_PRETEND_VERSION=$VERSION
WORKDIR /build
COPY requirements.lock ./
COPY shared shared
COPY services/intake services/intake
# Each package has the version and the checksum of the lock, those that build ours included (-b).
RUN uv pip install --no-cache --no-sources --python /app/bin/python \
    -c requirements.lock -b requirements.lock ./shared ./services/intake

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin tidemark
COPY --from=build /app /app
WORKDIR /app
USER 10001
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TIDEMARK_HOST=0.0.0.0 TIDEMARK_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --start-interval=1s --retries=6 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"TIDEMARK_PORT\"]}/readyz')"]
CMD ["python", "-m", "tidemark_intake"]
