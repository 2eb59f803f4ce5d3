"""HAProxy and nginx in front of serve, each set to pass on as much as it ever would."""

import pathlib
import shutil
import socket

from processes import Process, until

HAPROXY = """
global
    nbthread 1
    log stdout format raw local0
defaults
    mode http
    option http-keep-alive
    http-reuse always
    retries 0
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    log global
    log-format "seen %s %Tr %HU"
frontend front
    bind 127.0.0.1:{port}
    option accept-invalid-http-request
    default_backend back
backend back
    option accept-invalid-http-response
    server serve {serve} pool-max-conn 8
"""

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ }}
http {{
    log_format seen 'seen $upstream_addr $upstream_status $request_uri';
    access_log /dev/stdout seen;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    large_client_header_buffers 8 64k;
    ignore_invalid_headers off;
    underscores_in_headers on;
    merge_slashes off;
    upstream serve {{ server {serve}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://serve;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
            proxy_ignore_client_abort on;
            proxy_next_upstream off;
        }}
    }}
}}
"""


class Proxy(Process):
    """One of them in front of the serve at `address`. It prints a line for each request."""

    def __init__(self, name, folder, address):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        config = self.folder / "config"
        text = HAPROXY if name == "haproxy" else NGINX
        config.write_text(text.format(port=self.port, serve=address, folder=self.folder))
        path = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin")
        super().__init__(name, [path, *(["-f", config, "-db"] if name == "haproxy" else
                                        ["-c", config, "-p", self.folder, "-e", "stderr"])])
        self.url = f"http://127.0.0.1:{self.port}"
        until(self.accepts, lambda: f"{name} listens\n{self.report()}")

    @staticmethod
    def there(name):
        return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin") is not None

    def accepts(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def seen(self):
        """(Was it passed on?, did serve answer?, its target) of each request, as it understood it."""
        lines = [line.split(" ", 3) for line in list(self.output) if line.startswith("seen ")]
        return [(server not in ("-", "<NOSRV>"), answered not in ("-", "-1"), target)
                for _, server, answered, target in lines]
