# Laurel on servers of your own: no embedded servers start here, and the demo's data is not inside.
FROM python:3.13-slim AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements.txt /tmp/requirements.txt
RUN python -m venv /opt/laurel \
    && /opt/laurel/bin/pip install --require-hashes --requirement /tmp/requirements.txt

FROM python:3.13-slim
ENV PATH=/opt/laurel/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=loyalty.settings \
    PORT=8000
# A number, so that Kubernetes can check runAsNonRoot.
RUN useradd --system --uid 10001 --create-home --home-dir /home/laurel laurel
COPY --from=packages /opt/laurel /opt/laurel
WORKDIR /srv/laurel
COPY manage.py ./
COPY loyalty loyalty
COPY offers offers
COPY support support
COPY templates templates
# The secrets are for this one command only: nothing of them stays in a layer.
RUN SECRET_KEY=build MEMBER_TOKEN_KEY=build DATABASE_URL=postgresql:///build REDIS_URL=redis://build \
    python manage.py collectstatic --no-input --verbosity 0
USER 10001
EXPOSE 8000
# Any answer below 500 is one: a redirect to HTTPS or a refused host name comes from a living server.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status >= 500)"]
# One process a container: the same image is web, worker and beat (compose.yaml).
CMD ["sh", "-c", "exec gunicorn loyalty.wsgi:application --bind 0.0.0.0:$PORT --worker-class gthread --workers ${WEB_WORKERS:-2} --threads ${WEB_THREADS:-4} --preload --timeout 60 --graceful-timeout 20 --no-control-socket --worker-tmp-dir /dev/shm"]
