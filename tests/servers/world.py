"""The servers that the function needs, for tests in Python: MariaDB, the catalogue's API, AWS (moto), each with TLS.

They listen on separate ports of 127.0.0.1. Their files are in a folder that the caller creates and removes. The tests in Rust
have the same servers in tests/common/.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pymysql

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures"
DEADLINE = 90
REGION = "ap-northeast-2"
DATABASE = "ott_db"
TOKEN = "token-of-the-test"
PASSWORD = "p@ss word"
TABLES = ("contents", "video_assets")
# The permissions that the function needs, and no others.
FUNCTION = ("s3:GetObject", "s3:PutObject"), "arn:aws:s3:::films/*"


def run(*command, **options):
    """Runs a command that must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, timeout=600, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    """The servers. The caller can give database and API names, which it must make resolvable. Without names, their address is used.

    `may` has the permissions that AWS grants. With None, AWS permits everything and checks no signature, because moto rejects valid
    signatures of some services (Lambda). `websites` are names of one HTTPS server, to which a proxy leads (`sites`).
    """

    def __init__(self, folder, database_host="127.0.0.1", api_host="127.0.0.1", websites=(), may=FUNCTION):
        self.folder, self.programs, self.sites = folder, [], None
        self.database_host, self.api_host, self.may = database_host, api_host, may
        self.database_port, self.api_port, self.aws_port = free_port(), free_port(), free_port()
        try:
            self.make_certificates([database_host, api_host, *websites])
            self.start_database()
            self.start_api()
            self.start_aws()
            self.sites = Websites(folder) if websites else None
        except BaseException:
            self.close()
            raise

    def start(self, port, *command, env=None):
        with open(self.folder / f"log.{port}", "wb") as log:
            program = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.programs.append(program)
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return program
            if program.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError(f"{command}: does not answer\n{(self.folder / f'log.{port}').read_text()}")

    def close(self):
        if self.sites:
            self.sites.close()
        for program in self.programs:
            program.terminate()
        for program in self.programs:
            program.wait(30)

    def make_certificates(self, names):
        key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
        run("openssl", "req", "-x509", "-subj", "/CN=authority", "-keyout", "ca-key", "-out", "ca", *key, cwd=self.folder)
        names = ",".join(["IP:127.0.0.1", *(f"DNS:{name}" for name in names if name != "127.0.0.1")])
        extensions = ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"]
        signed = ["-CA", "ca", "-CAkey", "ca-key", "-keyout", "key", "-out", "cert"]
        run("openssl", "req", "-x509", "-subj", "/CN=server", *extensions, *signed, *key, cwd=self.folder)

    def start_database(self):
        data, user = self.folder / "data", run("id", "-un").decode().strip()
        tool = ["--no-defaults", f"--user={user}", f"--datadir={data}", f"--tmpdir={self.folder}"]
        run("mariadb-install-db", *tool, "--auth-root-authentication-method=normal", "--skip-test-db")
        tls = [f"--ssl-{part}={self.folder / part}" for part in ("ca", "cert", "key")]
        place = [f"--socket={self.folder / 's'}", f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1"]
        small = ["--innodb-buffer-pool-size=64M", "--skip-name-resolve", "--require-secure-transport=ON"]
        self.start(self.database_port, "/usr/sbin/mariadbd", *tool, *place, f"--port={self.database_port}", *tls, *small)
        self.sql(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        self.make_tables()
        self.sql(f"CREATE USER films IDENTIFIED BY '{PASSWORD}'")
        self.sql(f"GRANT SELECT, INSERT, UPDATE ON {DATABASE}.* TO films")

    def make_tables(self):
        """Creates the tables without rows, as the owner of the replaced Lambda created them."""
        for table in reversed(TABLES):
            self.sql(f"DROP TABLE IF EXISTS {table}", DATABASE)
        for statement in (ROOT / "migrations/mysql/0001_contents_and_video_assets.sql").read_text().split(";"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            if "".join(lines).strip():
                self.sql("\n".join(lines), DATABASE)

    def sql(self, statement, database=None):
        connection = pymysql.connect(unix_socket=str(self.folder / "s"), user="root", database=database, autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    def start_api(self):
        env = os.environ | {"INTERNAL_TOKEN": TOKEN, "CONTENTS": str(self.folder / "contents"), "DB_NAME": DATABASE}
        env |= {"DB_SOCKET": str(self.folder / "s"), "PYTHONDONTWRITEBYTECODE": "1"}
        tls = ["--ssl-keyfile", self.folder / "key", "--ssl-certfile", self.folder / "cert"]
        program = [ROOT / "target/python/bin/python", "-m", "uvicorn", "catalogue_api:served", "--log-level", "warning"]
        place = ["--host", "127.0.0.1", "--port", self.api_port, "--app-dir", ROOT / "tests/servers"]
        self.start(self.api_port, *program, *place, *tls, env=env)

    def start_aws(self):
        """Starts moto with a bucket, `films`, and a user with the permissions in `may`."""
        program = [ROOT / "target/python/bin/python", "-B", ROOT / "tests/servers/moto_server.py"]
        # moto's setting: the number of requests that are not checked. Without it, no request is checked.
        env = os.environ | ({"INITIAL_NO_AUTH_ACTION_COUNT": "0"} if self.may else {})
        self.aws_server = self.start(self.aws_port, *program, self.aws_port, self.folder / "cert", self.folder / "key", env=env)
        self.ask("buckets/films", b"")
        actions, resource = self.may or ("*", "*")
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()
        self.keys = json.loads(self.ask("users/function", policy))

    def ask(self, path, body=None):
        """Sends a request to moto's test interface, which sets it up and inspects it."""
        trust = ssl.create_default_context(cafile=self.folder / "ca")
        method = "GET" if body is None else "PUT"
        request = urllib.request.Request(f"https://127.0.0.1:{self.aws_port}/_tests/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE, context=trust) as reply:
            return reply.read()

    def begin_again(self):
        """Restores the initial state: no rows, no objects, nothing else in AWS."""
        self.make_tables()
        self.programs.remove(self.aws_server)
        self.aws_server.terminate()
        self.aws_server.wait(30)
        self.start_aws()

    def aws(self):
        return {
            "AWS_ENDPOINT_URL": f"https://127.0.0.1:{self.aws_port}",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.keys["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.keys["secret_key"],
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def settings(self, authority=None):
        """The function's environment. `authority` is the path of the certificate authority, as the function sees it."""
        authority = str(authority or self.folder / "ca")
        return self.aws() | {
            "SSL_CERT_FILE": authority,
            "DB_HOST": self.database_host,
            "RDS_PORT": str(self.database_port),
            "DB_USER": "films",
            "DB_PASSWORD": PASSWORD,
            "DB_NAME": DATABASE,
            "DB_SSL_CA": authority,
            "CATALOG_API_BASE": f"https://{self.api_host}:{self.api_port}/api",
            "INTERNAL_TOKEN": TOKEN,
        }

    def rows(self, content):
        return self.sql(
            f"SELECT c.title, v.video_url, v.thumbnail_url, v.duration FROM {DATABASE}.video_assets v "
            f"JOIN {DATABASE}.contents c ON c.id = v.content_id WHERE c.id = {content}"
        )


class Website(BaseHTTPRequestHandler):
    """Serves one video under every path, by byte ranges."""

    protocol_version = "HTTP/1.1"
    video = (FIXTURES / "h264_end.mp4").read_bytes()

    def do_GET(self):
        first, last, status = 0, len(self.video) - 1, 200
        if asked := re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")):
            status = 206
            if asked[1]:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            else:
                first = max(len(self.video) - int(asked[2]), 0)
        body = self.video[first : last + 1]
        self.send_response(status)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"the-video"')
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.video)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Websites:
    """An HTTPS server, and a proxy that leads every name to it."""

    def __init__(self, folder):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Website)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert", folder / "key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        inside = self.server.server_address
        self.port = inside[1]

        class Proxy(BaseHTTPRequestHandler):
            def do_CONNECT(self):
                self.send_response(200)
                self.end_headers()
                with socket.create_connection(inside) as there:
                    other = threading.Thread(target=copy, args=(there, self.connection))
                    other.start()
                    copy(self.connection, there)
                    other.join()

            def log_message(self, *_):
                pass

        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        for server in (self.server, self.proxy):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def settings(self):
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.proxy.server_address[1]}", "NO_PROXY": "127.0.0.1"}

    def close(self):
        for server in (self.proxy, self.server):
            server.shutdown()
            server.server_close()


def copy(source, destination):
    """Copies bytes until one of the two ends closes."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            destination.sendall(piece)
    with contextlib.suppress(OSError):
        destination.shutdown(socket.SHUT_WR)
