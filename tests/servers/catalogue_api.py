"""The catalogue's API as its owner runs it, for the tests: FastAPI behind uvicorn.

The API accepts the token INTERNAL_TOKEN. The endpoint's function checks the token, after the body. With TOKEN_FIRST set, a
dependency checks it before the body. Contents are stored in a SQLite file (CONTENTS), or in the table of a MySQL database
(DB_SOCKET, DB_NAME). Paths that begin with `/_` serve only the tests: `/_calls` returns every received request, `/_contents`
the contents, and `/_faults` takes a list of faults for the next requests, one for each:

    {"status": 503, "headers": {"retry-after": "1"}, "body": "..."}   this reply instead
    {"echo": 400}                                                     a reply that repeats the token
    {"silent": true}                                                  no reply
    {"cut": 201}                                                      the request is processed, but the reply is cut, with this status
    {}                                                                no fault
"""

import asyncio
import json
import os
import sqlite3
from typing import Annotated

import pymysql
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

app = FastAPI()
calls = []
faults = []
contents = sqlite3.connect(os.environ["CONTENTS"], check_same_thread=False, isolation_level=None)
contents.execute("CREATE TABLE IF NOT EXISTS contents (id INTEGER PRIMARY KEY, title, description, age_rating)")


def upsert_in_mysql(values):
    connection = pymysql.connect(
        unix_socket=os.environ["DB_SOCKET"], user="root", database=os.environ["DB_NAME"], charset="utf8mb4", autocommit=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contents (title, description, age_rating, id) VALUES (%s, %s, %s, %s) ON DUPLICATE KEY UPDATE "
            "title = VALUES(title), description = VALUES(description), age_rating = VALUES(age_rating)",
            values,
        )


class Content(BaseModel):
    title: str
    description: str
    age_rating: str


def check_token(x_internal_token: Annotated[str, Header()]):
    if x_internal_token != os.environ["INTERNAL_TOKEN"]:
        raise HTTPException(401, "invalid internal token")


BEFORE = [Depends(check_token)] if "TOKEN_FIRST" in os.environ else []


@app.put("/api/v1/contents/{content_id}/upsert-internal", dependencies=BEFORE)
async def upsert(
    content_id: int, content: Content, response: Response, x_internal_token: Annotated[str, Header()]
):
    check_token(x_internal_token)
    values = (content.title, content.description, content.age_rating, content_id)
    if "DB_SOCKET" in os.environ:
        upsert_in_mysql(values)
        return {"id": content_id, "title": content.title, "age_rating": content.age_rating}
    changed = contents.execute(
        "UPDATE contents SET title = ?, description = ?, age_rating = ? WHERE id = ?", values
    ).rowcount
    if not changed:
        contents.execute("INSERT INTO contents (title, description, age_rating, id) VALUES (?, ?, ?, ?)", values)
        response.status_code = 201
    return {"id": content_id, "title": content.title, "age_rating": content.age_rating}


@app.get("/_calls")
async def list_calls():
    return calls


@app.get("/_contents")
async def list_contents():
    return contents.execute("SELECT id, title, description, age_rating FROM contents ORDER BY id").fetchall()


@app.post("/_faults")
async def set_faults(new: list[dict]):
    faults[:] = new


class Faulty:
    """Records requests as they arrive, and applies the next fault."""

    def __init__(self, inner):
        self.inner = inner

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self.inner(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        call = {
            "method": scope["method"],
            "path": scope["raw_path"].decode("latin-1"),
            "headers": headers,
            "body": body.decode(),
            "client_port": scope["client"][1],
            "status": None,
        }
        calls.append(call)
        replayed = False

        async def receive_again():
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_noted(message):
            if message["type"] == "http.response.start":
                call["status"] = message["status"]
            await send(message)

        fault = faults.pop(0) if faults else {}
        if "status" in fault:
            await reply(send_noted, fault["status"], fault.get("headers", {}), fault.get("body", "").encode())
        elif "echo" in fault:
            token = dict(headers).get("x-internal-token", "")
            text = json.dumps({"detail": f"bad token {token}", "headers": dict(headers)})
            await reply(send_noted, fault["echo"], {}, text.encode())
        elif "silent" in fault:
            await asyncio.sleep(120)
        elif "cut" in fault:
            await self.inner(scope, receive_again, nowhere)
            # uvicorn closes the connection when a body is shorter than its declared length.
            await reply(send_noted, fault["cut"], {}, b'{"id":', length=1000)
        else:
            await self.inner(scope, receive_again, send_noted)


async def nowhere(_message):
    pass


async def reply(send, status, headers, body, length=None):
    length = str(len(body) if length is None else length)
    pairs = [(name.encode(), value.encode()) for name, value in {**headers, "content-length": length}.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


served = Faulty(app)
