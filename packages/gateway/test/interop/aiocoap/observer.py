"""aiocoap as an observer, for tests: `aiocoap-client --observe` gives up its observation with the first response.

observer.py URI

Writes each notification as a line.
"""
import asyncio
import sys

import aiocoap


async def main():
    context = await aiocoap.Context.create_client_context()
    request = context.request(aiocoap.Message(code=aiocoap.GET, uri=sys.argv[1], observe=0))
    print((await request.response).payload.decode(), flush=True)
    async for notification in request.observation:
        print(notification.payload.decode(), flush=True)


asyncio.run(main())
