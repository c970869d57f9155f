"""The catalogue's API for the tests: the upsert endpoint of the replaced Lambda's backend, over the tests' database.

Environment: TOKEN, DB_SOCKET, DB_NAME. GET /_calls tells the requests so far; POST /_fail {"times", "status", "headers", "body",
"delay"} makes the next ones fail.
"""

import asyncio
import os

import pymysql
from fastapi import FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field

app = FastAPI()
calls = []
failures = []


class Content(BaseModel):
    title: str = Field(max_length=255)
    description: str
    age_rating: str = Field(max_length=10)


@app.get("/_calls")
def seen():
    return calls


@app.post("/_fail")
async def fail(request: Request):
    failure = await request.json()
    failures.extend([failure] * failure.get("times", 1))


@app.middleware("http")
async def record(request: Request, call_next):
    if request.url.path.startswith("/_"):
        return await call_next(request)
    body = (await request.body()).decode()
    calls.append({"method": request.method, "path": request.url.path, "headers": dict(request.headers), "body": body})
    if failures:
        failure = failures.pop(0)
        await asyncio.sleep(failure.get("delay", 0))
        return Response(failure.get("body", ""), failure.get("status", 500), failure.get("headers", {}))
    return await call_next(request)


@app.put("/api/v1/contents/{content_id}/upsert-internal")
def upsert(content_id: int, content: Content, x_internal_token: str = Header(default="")):
    if x_internal_token != os.environ["TOKEN"]:
        raise HTTPException(401, "invalid internal token")
    connection = pymysql.connect(
        unix_socket=os.environ["DB_SOCKET"], user="root", database=os.environ["DB_NAME"], charset="utf8mb4", autocommit=True
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contents (id, title, description, age_rating) VALUES (%s, %s, %s, %s) ON DUPLICATE KEY UPDATE "
            "title = VALUES(title), description = VALUES(description), age_rating = VALUES(age_rating)",
            (content_id, content.title, content.description, content.age_rating),
        )
    return {"id": content_id, "title": content.title, "age_rating": content.age_rating}
