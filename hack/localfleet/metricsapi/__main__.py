"""Command line: `python -m localfleet.metricsapi --help`. HTTPS for kube-apiserver alone."""

import ssl
from pathlib import Path

import click
from aiohttp import web

from localfleet.metricsapi.app import metrics_app


@click.command()
@click.option("--address", required=True, help="Where it listens.")
@click.option("--port", required=True, type=click.IntRange(1, 65535))
@click.option("--prometheus", required=True, help="URL of the region's Prometheus.")
@click.option("--keys", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(address: str, port: int, prometheus: str, keys: Path) -> None:
    """Serve custom.metrics.k8s.io from a region's Prometheus."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "metrics-api.crt", keys / "metrics-api.key")
    context.load_verify_locations(keys / "front-proxy.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    web.run_app(metrics_app(prometheus), host=address, port=port, ssl_context=context, access_log=None, print=None)


if __name__ == "__main__":
    main()
