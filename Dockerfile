# slotmatch_server, slotmatch_client and slotmatch_trainer on Debian 12, for CPUs or, with
# `--build-arg FLAVOR=cuda`, for NVIDIA GPUs. docs/deploy.md shows how to build and run it.
ARG DEBIAN=docker.io/library/debian:bookworm-slim
ARG FLAVOR=cpu

FROM ${DEBIAN} AS tools
COPY scripts/packages/build.txt /packages.txt
RUN apt-get update \
 && sed 's/#.*//' /packages.txt \
    | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/*

# LibTorch of Debian.
FROM tools AS libtorch-cpu
ENV PRESET=release TORCH=""
RUN mkdir -p /opt/cuda-wheels

# LibTorch with CUDA, from PyPI.
FROM tools AS libtorch-cuda
COPY scripts/packages/cuda.txt scripts/packages/cuda-pypi.txt /
ENV PRESET=cuda TORCH=-DSLOTMATCH_TORCH_WHEELS=/opt/cuda-wheels
RUN apt-get update \
 && sed 's/#.*//' /cuda.txt \
    | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m pip install --no-deps --no-compile --no-cache-dir --only-binary=:all: \
    --target /opt/cuda-wheels -r /cuda-pypi.txt

FROM libtorch-${FLAVOR} AS build
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY scripts/common.sh scripts/
COPY cmake cmake
COPY proto proto
COPY core core
COPY client client
COPY server server
COPY trainer trainer
# The history is not part of the context: COMMIT is what --version and slotmatch_build_info show. A
# bare HEAD is all that the build asks git for.
ARG COMMIT=""
RUN if [ -n "$COMMIT" ]; then git init -q . && echo "$COMMIT" >.git/HEAD; fi
# Objects do not depend on where they are built; precompiled headers need the sloppiness.
ENV LANG=C.UTF-8 CCACHE_BASEDIR=/src CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
RUN --mount=type=cache,target=/root/.cache/ccache \
    cmake --preset $PRESET $TORCH -DSLOTMATCH_BUILD_TESTS=OFF \
 && bash -euc 'source scripts/common.sh; build_preset $PRESET slotmatch_server slotmatch_client slotmatch_trainer' \
 && strip build/$PRESET/bin/slotmatch_* && mv build/$PRESET/bin /programs
# Of the wheels only libraries are loaded, and no Python's.
RUN mkdir /libraries && cd /opt/cuda-wheels \
 && find . -path '*/lib/*' -name '*.so*' ! -name 'libtorch_python*' -exec cp -a --parents {} /libraries \;

FROM ${DEBIAN} AS runtime
ARG FLAVOR
COPY --from=build /programs/slotmatch_server /programs/slotmatch_client /programs/slotmatch_trainer \
     /usr/local/bin/
COPY --from=build /libraries /opt/cuda-wheels
COPY scripts/packages/runtime.txt scripts/packages/runtime-cpu.txt scripts/packages/runtime-cuda.txt \
     scripts/slim.sh /tmp/
# One layer, so that what is removed again takes no room: package lists, manuals, and packages that
# none of the programs' libraries are of, such as a compiler that graphics drivers bring along.
RUN dpkg-query -W -f '${Package}\n' >/tmp/before \
 && printf 'path-exclude=/usr/share/%s/*\n' man locale info doc >/etc/dpkg/dpkg.cfg.d/slim \
 && echo 'path-include=/usr/share/doc/*/copyright' >>/etc/dpkg/dpkg.cfg.d/slim \
 && apt-get update \
 && sed 's/#.*//' /tmp/runtime.txt /tmp/runtime-$FLAVOR.txt \
    | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && BEFORE=/tmp/before sh /tmp/slim.sh /usr/local/bin/slotmatch_* \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /tmp/*
# Paths in the settings are relative to this folder.
WORKDIR /opt/slotmatch
COPY LICENSE NOTICE ./
COPY models models
COPY configs configs
# What the image is made of, as SPDX.
COPY scripts/sbom.sh /tmp/
ARG VERSION=0.1.0
RUN sh /tmp/sbom.sh slotmatch "$VERSION" >sbom.spdx.json && rm /tmp/sbom.sh

ARG COMMIT=""
LABEL org.opencontainers.image.title="slotmatch" \
      org.opencontainers.image.description="Segments video streams into object slots over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
USER 65532:65532
# gRPC and health; Prometheus metrics.
EXPOSE 50051 9464
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["slotmatch_client", "--health", "--connect-timeout", "5"]
STOPSIGNAL SIGTERM
# Arguments of `docker run` are added to these: --set limits.max_sessions=8, or a second --config,
# which replaces the first.
ENTRYPOINT ["slotmatch_server", "--config", "configs/serve/default.textproto"]
