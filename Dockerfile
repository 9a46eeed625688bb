# syntax=docker/dockerfile:1
# The run server and the command line of popnas, for CPUs:
#   docker build -t popnas .
# and for NVIDIA cards (run with --gpus all):
#   docker build -t popnas:cuda --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 --build-arg TORCH=cu128 .
# and for the nodes of a Ray cluster (docs/cluster.md):
#   docker build -t popnas:ray --build-arg EXTRAS=ray,timeseries .
# By its tag: each build has the base's latest mends. For the same image again give BASE=NAME@sha256:DIGEST.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
ENV DEBIAN_FRONTEND=noninteractive PYTHONUNBUFFERED=1
# Debian's and Ubuntu's own Python, in the version that comes with the base.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/popnas
WORKDIR /build
COPY constraints.txt ./
# A layer of its own, since it is large and changes rarely. PyTorch alone comes from its own index, which does
# not have every version that is pinned of what it needs.
RUN /opt/popnas/bin/pip install --no-deps -c constraints.txt torch --index-url "https://download.pytorch.org/whl/${TORCH}" \
    && /opt/popnas/bin/pip install -c constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
ARG EXTRAS=server,timeseries,mlflow
RUN /opt/popnas/bin/pip install -c constraints.txt ".[${EXTRAS}]"

FROM python AS popnas
COPY --from=build /opt/popnas /opt/popnas
# hadolint ignore=SC2016
RUN groupadd --gid 10001 popnas \
    && useradd --create-home --uid 10001 --gid 10001 popnas \
    && install -d -o popnas -g popnas /runs /data \
    # A login shell, as KubeRay starts Ray in, forgets the PATH below.
    && echo 'PATH=/opt/popnas/bin:$PATH' > /etc/profile.d/popnas.sh
ENV PATH=/opt/popnas/bin:${PATH}
USER 10001:10001
WORKDIR /runs
VOLUME /runs
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8321/api/health', timeout=4)"]
# Another address than loopback needs a token of your own: POPNAS_SERVER_TOKEN.
ENTRYPOINT ["popnas"]
CMD ["serve", "/runs", "--host", "0.0.0.0", "--data", "/data", "--reached-as", "localhost", "--stop-runs"]
