"""A way to a server that can be blocked and slowed down, on loopback and without being root."""

import asyncio
import contextlib
import socket
import struct
import threading

CHUNK_BYTES = 65536
# So much is on the way at most, in each direction of a connection.
CHUNKS = 64


class TcpProxy:
    """Carries what comes to `listen` to `target` and back; both are (address, port), and port 0 is any free one."""

    def __init__(self, target, listen=("127.0.0.1", 0)):
        self.target = target
        self.delay_s = 0
        self.accepted = set()
        self.connections = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.call(self.open(listen))

    async def open(self, listen):
        self.way = asyncio.Event()
        self.way.set()
        self.listener = socket.create_server(listen)
        self.listener.setblocking(False)
        self.address, self.port = self.listener.getsockname()
        self.accepting = asyncio.create_task(self.accept())

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def block(self):
        """As a firewall that drops everything: connections stay open, and nothing comes through, nor do new ones."""
        self.loop.call_soon_threadsafe(self.way.clear)

    def unblock(self):
        """What was held up arrives."""
        self.loop.call_soon_threadsafe(self.way.set)

    def delay(self, seconds):
        """What comes from now on arrives that much later, in each direction."""
        self.delay_s = seconds

    def reset(self):
        """Every connection ends with a reset, as when a machine has lost its memory of them."""
        self.call(self.reset_all())

    async def reset_all(self):
        for writer in list(self.connections):
            # To linger for 0 s is to send a reset.
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def close(self):
        """Nobody listens there any more."""
        self.call(self.shut())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def shut(self):
        # What the kernel has accepted just now is taken first, so that it can be closed.
        await asyncio.sleep(0.01)
        self.accepting.cancel()
        await asyncio.gather(self.accepting, return_exceptions=True)
        self.listener.close()
        # Sockets are closed at the loop's next turn.
        await asyncio.sleep(0)
        for connection in self.accepted:
            connection.close()

    async def accept(self):
        async with asyncio.TaskGroup() as connections:
            while True:
                connection, _ = await self.loop.sock_accept(self.listener)
                self.accepted.add(connection)
                connections.create_task(self.carry(connection))

    async def carry(self, connection):
        reader, writer = await asyncio.open_connection(sock=connection)
        ends = [writer]
        self.connections.add(writer)
        try:
            await self.way.wait()
            server_reader, server_writer = await asyncio.open_connection(*self.target)
            ends.append(server_writer)
            self.connections.add(server_writer)
            async with asyncio.TaskGroup() as directions:
                for start, end in ((reader, server_writer), (server_reader, writer)):
                    chunks = asyncio.Queue(CHUNKS)
                    directions.create_task(self.take(start, chunks))
                    directions.create_task(self.give(chunks, end))
        except* OSError:
            pass  # One end is gone, so the other goes too.
        finally:
            self.accepted.discard(connection)
            for end in ends:
                self.connections.discard(end)
                end.close()

    async def take(self, reader, chunks):
        chunk = True
        while chunk:
            chunk = await reader.read(CHUNK_BYTES)
            await chunks.put((self.loop.time() + self.delay_s, chunk))

    async def give(self, chunks, writer):
        while True:
            due, chunk = await chunks.get()
            await asyncio.sleep(due - self.loop.time())
            await self.way.wait()
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
