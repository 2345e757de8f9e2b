"""aiocoap as a server, for tests: over TCP (port 5683) and WebSocket (8683), or with the transports that are named.

server.py ADDRESS [TRANSPORTS]

Writes `ready`. /hello is a text, /store keeps what is put, /ticks can be observed.
"""
import asyncio
import os
import sys

os.environ["AIOCOAP_SERVER_TRANSPORT"] = sys.argv[2] if len(sys.argv) > 2 else "tcpserver:ws"

import aiocoap
from aiocoap import resource


class Hello(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"hello from aiocoap", content_format=0)


class Store(resource.Resource):
    body = b""

    async def render_get(self, request):
        return aiocoap.Message(payload=self.body)

    async def render_put(self, request):
        self.body = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)


class Ticks(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.tick = 0
        asyncio.get_running_loop().call_later(0.5, self.advance)

    def advance(self):
        self.tick += 1
        self.updated_state()
        asyncio.get_running_loop().call_later(0.5, self.advance)

    async def render_get(self, request):
        return aiocoap.Message(payload=b"tick %d" % self.tick, content_format=0)


async def main():
    site = resource.Site()
    site.add_resource(["hello"], Hello())
    site.add_resource(["store"], Store())
    site.add_resource(["ticks"], Ticks())
    await aiocoap.Context.create_server_context(site, bind=(sys.argv[1], 5683))
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
