"""What people do with asyncssh, on one connection. Prints what it saw, as JSON."""
import asyncio
import json
import sys

import asyncssh

host, port, key_file, host_key, folder, echo_port = sys.argv[1:7]


async def main():
    saw = {}
    known = asyncssh.import_known_hosts(f"[{host}]:{port} {host_key}\n")
    options = dict(username="run", client_keys=[key_file], known_hosts=known, config=None, agent_path=None)
    async with asyncssh.connect(host, int(port), **options) as connection:
        fed = await connection.run("cat", input="hello\n")
        saw["fed"] = [fed.stdout, fed.exit_status]
        many = await asyncio.gather(*[connection.run(f"echo {number}") for number in range(12)])
        saw["many"] = [one.stdout for one in many]
        async with connection.start_sftp_client() as sftp:
            async with sftp.open(f"{folder}/async", "w") as file:
                await file.write("abc")
            saw["size"] = (await sftp.stat(f"{folder}/async")).size
            await sftp.remove(f"{folder}/async")
            saw["exists"] = await sftp.exists(f"{folder}/async")
        reader, writer = await connection.open_connection("127.0.0.1", int(echo_port))
        writer.write(b"there and back")
        writer.write_eof()
        saw["echo"] = (await reader.read()).decode()
    print(json.dumps(saw))


asyncio.run(main())
