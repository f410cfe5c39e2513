# webterm in a container. The names by which browsers reach it must be given, or it does not start:
#
#   docker build -t webterm .
#   docker run -p 127.0.0.1:8080:8080 -v webterm:/data -e WEBTERM_SERVER__ALLOWED_HOSTS=localhost webterm
#
# The sign-in link is in the container's log; `docker exec CONTAINER webterm login-link` prints a fresh one.
#
# So that each workspace has a container of its own, give it the engine (who has that has the machine), and say where
# its data are there, a directory of user 1000:
#
#   docker run -p 127.0.0.1:8080:8080 -v /srv/webterm:/data -e HOST_DATA_DIR=/srv/webterm \
#     -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" \
#     -e WEBTERM_SERVER__ALLOWED_HOSTS=localhost webterm
#
# No step needs BuildKit. A checkout has its page built here, an unpacked source distribution brings it along.

ARG NODE=node:20-slim
ARG PYTHON=python:3.13-slim

FROM ${NODE} AS page
ARG NPM_CONFIG_REGISTRY
WORKDIR /source/frontend
# What a pattern does not find is left out; the licence is there so that something is found.
COPY LICENSE frontend/package*.json ./
RUN mkdir -p ../webterm/static && if [ -e package.json ]; then npm ci --ignore-scripts --no-audit --no-fund; fi
COPY LICENSE fronten[d] ./
RUN if [ -e package.json ]; then npm run build; fi

FROM ${PYTHON} AS package
ARG PIP_INDEX_URL
WORKDIR /source
COPY . .
COPY --from=page /source/webterm/static webterm/static
RUN python3 -m venv /opt/webterm \
    && WEBTERM_SKIP_WEB=1 /opt/webterm/bin/pip install --no-cache-dir --disable-pip-version-check '.[all]'

FROM ${PYTHON}
RUN apt-get update \
    && apt-get install -y --no-install-recommends bash bubblewrap less procps tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --shell /bin/bash --uid 1000 webterm \
    && install -d -o webterm -g webterm -m 0700 /data
COPY --from=package /opt/webterm /opt/webterm
ENV PATH=/opt/webterm/bin:$PATH \
    WEBTERM_SERVER__HOST=0.0.0.0 \
    WEBTERM_SERVER__PORT=8080 \
    WEBTERM_SERVER__DATA_DIR=/data \
    WEBTERM_SERVER__ON_STOP=end
USER webterm
WORKDIR /home/webterm
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["webterm", "status"]
# tini reaps what programs leave behind when the keeper has gone.
ENTRYPOINT ["tini", "--"]
CMD ["webterm", "serve"]
