"""aiocoap under OSCORE (RFC 8613), for tests.

oscore_peer.py server FOLDER PORT            /hello, /big (PUT and GET), /count (counts up each 200 ms)
oscore_peer.py client FOLDER URI get         the payload
oscore_peer.py client FOLDER URI put LENGTH  the answer
oscore_peer.py client FOLDER URI observe N   N notifications, a line each

FOLDER holds the Security Context: settings.json, and what aiocoap adds.
"""
import asyncio
import sys

import aiocoap
import aiocoap.resource as resource
from aiocoap.credentials import CredentialsMap
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper

LETTERS = b"abcdefghijklmnopqrstuvwxyz"


def body(length):
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


class Hello(resource.Resource):
    async def render_get(self, request):
        return aiocoap.Message(payload=b"hello over OSCORE", content_format=0)


class Big(resource.Resource):
    stored = body(8192)

    async def render_get(self, request):
        return aiocoap.Message(payload=self.stored)

    async def render_put(self, request):
        self.stored = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED, payload=b"%d bytes" % len(request.payload))


class Count(resource.ObservableResource):
    value = 0

    def __init__(self):
        super().__init__()
        self.task = asyncio.get_running_loop().create_task(self.count())

    async def count(self):
        while True:
            await asyncio.sleep(0.2)
            self.value += 1
            self.updated_state()

    async def render_get(self, request):
        return aiocoap.Message(payload=b"%d" % self.value)


async def server(folder, port):
    site = resource.Site()
    site.add_resource(["hello"], Hello())
    site.add_resource(["big"], Big())
    site.add_resource(["count"], Count())
    credentials = CredentialsMap()
    credentials.load_from_dict({":client": {"oscore": {"basedir": folder}}})
    wrapped = OscoreSiteWrapper(site, credentials)
    await aiocoap.Context.create_server_context(
        wrapped, bind=("127.0.0.1", int(port)), server_credentials=credentials
    )
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


async def client(folder, uri, operation, argument=None):
    context = await aiocoap.Context.create_client_context()
    context.client_credentials.load_from_dict(
        {uri.rsplit("/", 1)[0] + "/*": {"oscore": {"basedir": folder}}}
    )
    if operation == "observe":
        request = context.request(aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0))
        print((await request.response).payload.decode(), flush=True)
        left = int(argument) - 1
        async for notification in request.observation:
            print(notification.payload.decode(), flush=True)
            left -= 1
            if left == 0:
                break
    else:
        payload = body(int(argument)) if operation == "put" else b""
        code = aiocoap.PUT if operation == "put" else aiocoap.GET
        response = await context.request(
            aiocoap.Message(code=code, uri=uri, payload=payload)
        ).response
        print(response.code, response.payload.decode(), flush=True)
    await context.shutdown()


asyncio.run({"server": server, "client": client}[sys.argv[1]](*sys.argv[2:]))
