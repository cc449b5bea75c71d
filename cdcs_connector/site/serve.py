"""Serving the site by waitress."""

from __future__ import annotations

import signal

from cdcs_connector.site.settings import SiteSettings

THREADS = 16  # a slow download holds one


def serve(settings: SiteSettings, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; prints one line when the socket listens. Port 0 takes a free one."""
    # Importing Django and CDCS core takes most of the start.
    import waitress
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    server = waitress.create_server(
        application,
        host=host,
        port=port,
        threads=THREADS,
        ident=None,
        url_scheme="https" if settings.server_uri.startswith("https://") else "http",
        max_request_body_size=settings.max_record_bytes + 2**20,
    )
    signal.signal(signal.SIGTERM, _stop)
    print(f"Scopeline site: http://{host}:{server.effective_port}/", flush=True)
    try:
        server.run()
    finally:
        server.close()


def _stop(signum: int, frame: object) -> None:
    raise SystemExit(0)
