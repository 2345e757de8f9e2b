"""aiocoap as an endpoint of a Resource Directory, for tests.

registrant.py URI NAME [simple]

Serves /light on UDP and registers itself as NAME, by aiocoap's own registration client, or by simple registration
(RFC 9176 5.1). Writes `registered` when it is, and removes the registration when a line comes on its standard input.
"""
import asyncio
import os
import sys

os.environ["AIOCOAP_SERVER_TRANSPORT"] = "udp6"

import aiocoap
from aiocoap import resource
from aiocoap.resourcedirectory.client.register import Registerer


class Light(resource.Resource):
    def get_link_description(self):
        return {"rt": "light", "if": "switch"}

    async def render_get(self, request):
        return aiocoap.Message(payload=b"on", content_format=0)


async def main():
    uri, name = sys.argv[1:3]
    site = resource.Site()
    site.add_resource([".well-known", "core"], resource.WKCResource(site.get_resources_as_linkheader))
    site.add_resource(["light"], Light())
    context = await aiocoap.Context.create_server_context(site, bind=("::", 0))
    if "simple" in sys.argv:
        post = aiocoap.Message(code=aiocoap.POST, uri=f"{uri}/.well-known/rd?ep={name}&lt=6000")
        response = await context.request(post).response
        print(f"answered {response.code}", flush=True)
        registerer = None
    else:
        registerer = Registerer(context, rd=uri, lt=6000, registration_parameters={"ep": name, "base": "coap://light.example"})
        while registerer.state != "registered":
            if registerer.state == "failed":
                print("failed", flush=True)
                return
            await asyncio.sleep(0.05)
    print("registered", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    if registerer is not None:
        await registerer.shutdown()
        await asyncio.sleep(0.5)
    print("removed", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


asyncio.run(main())
