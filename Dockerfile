# webterm in a container. The names by which browsers reach it must be given, or it does not start:
#
#   docker build -t webterm .
#   docker run -p 127.0.0.1:8080:8080 -v webterm:/data -e WEBTERM_SERVER__ALLOWED_HOSTS=localhost webterm
#
# The sign-in link is in the container's log; `docker exec CONTAINER webterm login-link` prints a fresh one.

FROM node:20-slim AS page
WORKDIR /source/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY frontend ./
RUN npm run build

FROM python:3.13-slim AS wheels
WORKDIR /source
COPY . .
COPY --from=page /source/webterm/static webterm/static
RUN WEBTERM_SKIP_WEB=1 pip wheel --no-cache-dir --wheel-dir /wheels '.[all]'

FROM python:3.13-slim
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels 'webterm[all]' \
    && apt-get update \
    && apt-get install -y --no-install-recommends bash bubblewrap less procps tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --shell /bin/bash --uid 1000 webterm \
    && install -d -o webterm -g webterm -m 0700 /data
ENV WEBTERM_SERVER__HOST=0.0.0.0 \
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
