"""Modbus over TCP and RS-485: the only module that knows pymodbus."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from pymodbus import FramerType, ModbusException
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU

from gateway.errors import DeviceRefused, DeviceSilent
from gateway.installation import Link, LinkKind
from gateway.maps import Block, RegisterMap, RegisterTable, Value

# pymodbus tells each lost line at ERROR with several lines; what matters comes back as DeviceSilent.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


class Line:
    """One line, shared by the devices on it; it is opened when something is asked, and anew after a failure.

    Parameters
    ----------
    wait : lets so many seconds pass
    """

    def __init__(self, link: Link, *, wait: Callable[[float], object] = time.sleep) -> None:
        self._link, self._wait = link, wait
        self._client: ModbusTcpClient | ModbusSerialClient | None = None

    def read(self, unit_id: int, block: Block) -> list[int]:
        """The registers of a block.

        Raises
        ------
        DeviceSilent : no line, or no answer
        DeviceRefused : the device has no such registers; told with its own code
        """
        client = self._client = self._client or self._new_client()
        ask = client.read_holding_registers if block.table is RegisterTable.HOLDING else client.read_input_registers
        where = f"{self._link.name} unit {unit_id}, {block.table} {block.address}+{block.words}"
        try:
            if not client.connected and not client.connect():
                place = self._link.path or f"{self._link.host}:{self._link.port}"
                is_there = bool(self._link.path) and Path(self._link.path).exists()
                why = ", another program has it or we may not" if is_there else ""
                raise DeviceSilent(f"{where}: {place} cannot be opened{why}")
            answer = self._answer(partial(ask, block.address, count=block.words, device_id=unit_id))
        except (ModbusException, OSError) as error:
            self.close()
            raise DeviceSilent(f"{where}: no answer within {self._link.timeout_s:g} s") from error
        if answer.isError() or len(answer.registers) != block.words:
            raise DeviceRefused(f"{where}: refused with code {getattr(answer, 'exception_code', '?')}")
        return list(answer.registers)

    def _answer(self, ask: Callable[[], ModbusPDU]) -> ModbusPDU:
        """What a device answers, at the second try if need be.

        A frame of RTU does not say which question it answers: of two answers to one, the second would be taken for
        that to the next. So what comes late has its time before we ask again; pymodbus throws it away as it sends.
        """
        try:
            return ask()
        except ModbusIOException:
            if self._link.kind is LinkKind.TCP:
                raise
        self._wait(self._link.timeout_s)
        return ask()

    def close(self) -> None:
        """Let the line go; the next reading opens it."""
        if self._client is not None:
            self._client.close()  # type: ignore[no-untyped-call] # pymodbus
            self._client = None

    def _new_client(self) -> ModbusTcpClient | ModbusSerialClient:
        link = self._link
        if link.kind is LinkKind.TCP:
            return ModbusTcpClient(link.host, port=link.port, timeout=link.timeout_s, retries=1)
        return ModbusSerialClient(
            link.path, framer=FramerType.RTU, baudrate=link.baud, parity=link.parity, stopbits=link.stop_bits,
            timeout=link.timeout_s, retries=0,
        )  # fmt: skip


class ModbusDriver:
    """One device on a line, read through its map."""

    def __init__(self, line: Line, unit_id: int, register_map: RegisterMap) -> None:
        self._line, self._unit_id, self._map = line, unit_id, register_map

    def read(self, names: Collection[str]) -> Mapping[str, Value]:
        """These registers, in as few requests as the map allows; a block that is refused takes only itself."""
        found: dict[str, Value] = {}
        for block in self._map.blocks(names):
            try:
                words = self._line.read(self._unit_id, block)
            except DeviceRefused as error:
                found |= {one.name: Value(None, one.unit, str(error)) for one in block.registers}
                continue
            for one in block.registers:
                at = one.address - block.address
                found[one.name] = one.value(words[at : at + one.words])
        return found

    def close(self) -> None:
        """Let the line go."""
        self._line.close()
