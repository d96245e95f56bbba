"""Modbus devices that do not exist: they answer, over TCP or a serial line, as their register maps say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusBaseServer, ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.maps import RegisterMap
from simulator.errors import SimulatorError

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
DARK = ExcCodes.GATEWAY_NO_RESPONSE  # what a line's converter answers for a device that has no power


class Unit:
    """One device on a line: what its registers say now; it is silent while it `is_dark`. Thread-safe."""

    def __init__(self, register_map: RegisterMap) -> None:
        self.map, self.is_dark = register_map, False
        self._words: dict[int, int] = {}
        for register in register_map.registers.values():
            self._put(register.address, [0] * register.words)

    def say(self, register: str, number: float) -> None:
        """From now on the device says this, in the unit of its map (a state: its canonical code)."""
        found = self.map.registers[register]
        self._put(found.address, found.registers(number))

    def words_of(self, register: str) -> list[int]:
        """What lies in the register now."""
        found = self.map.registers[register]
        return [self._words[found.address + at] for at in range(found.words)]

    def device(self, unit_id: int) -> SimDevice:
        """The same for pymodbus."""
        data = [SimData(address, values=0, datatype=DataType.REGISTERS) for address in sorted(self._words)]
        return SimDevice(id=unit_id, simdata=data, action=partial(_answer, self))

    def _put(self, address: int, words: list[int]) -> None:
        self._words |= {address + at: word for at, word in enumerate(words)}

    def fill(self, start_address: int, registers: list[int]) -> None:
        """Write what the device says into the memory that pymodbus answers from."""
        for address, word in self._words.items():
            registers[address - start_address] = word


async def _answer(
    unit: Unit, code: int, start: int, address: int, count: int, registers: list[int], written: object
) -> ExcCodes | None:
    if unit.is_dark:
        return DARK
    unit.fill(start, registers)
    return ExcCodes.ILLEGAL_FUNCTION if written else None


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial line, as a path."""

    path: str
    baud: int = 9600


class ModbusBus:
    """Units that answer on a TCP port (0 takes a free one) or on a serial line, from a thread of their own."""

    def __init__(self, units: Mapping[int, Unit], *, place: int | Serial, host: str = "127.0.0.1") -> None:
        self._units, self._place, self._host = units, place, host
        self.port = place if isinstance(place, int) else 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: ModbusBaseServer | None = None
        self._is_up, self._trouble = threading.Event(), ""
        self._thread = threading.Thread(target=self._run, name="modbus", daemon=True)

    def start(self) -> None:
        """Begin to answer.

        Raises
        ------
        SimulatorError : the port is taken, or the line is not there
        """
        self._thread.start()
        if not self._is_up.wait(START_TIMEOUT_S) or self._trouble:
            raise SimulatorError(f"Modbus on {self._place}: {self._trouble or 'does not start'}")

    def stop(self) -> None:
        """Hang up."""
        if self._server is not None and self._loop is not None:
            bye = self._server.shutdown()  # type: ignore[no-untyped-call] # pymodbus
            asyncio.run_coroutine_threadsafe(bye, self._loop).result(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, RuntimeError) as error:
            self._trouble = str(error)
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        devices = [unit.device(number) for number, unit in self._units.items()]
        if isinstance(self._place, int):
            self._server = ModbusTcpServer(devices, address=(self._host, self._place))
        else:
            self._server = ModbusSerialServer(
                devices, framer=FramerType.RTU, port=self._place.path, baudrate=self._place.baud
            )
        await self._server.serve_forever(background=True)
        if isinstance(self._place, int):
            self.port = self._server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined] # asyncio's server
        self._is_up.set()
        await self._server.serving
