// `ethtool -d` for Intel's gigabit controllers: the registers that the driver dumps, decoded bit by bit.

/** One line below a register: its label, and how the register's value reads. */
type Bits = readonly (readonly [string, (value: number) => string])[];
const flag =
  (bit: number, on: string, off: string) =>
  (value: number): string =>
    (value & bit) !== 0 ? on : off;
const enabled = (bit: number): ((value: number) => string) => flag(bit, 'enabled', 'disabled');
const yes = (bit: number): ((value: number) => string) => flag(bit, 'yes', 'no');
const choice =
  (mask: number, words: Readonly<Record<number, string>>, otherwise: string) =>
  (value: number): string =>
    words[value & mask] ?? otherwise;

const CTRL: Bits = [
  ['Endian mode (buffers)', flag(0x2, 'big', 'little')],
  ['Link reset', flag(0x8, 'reset', 'normal')],
  ['Set link up', flag(0x40, '1', '0')],
  ['Invert Loss-Of-Signal', yes(0x80)],
  ['Receive flow control', enabled(0x08000000)],
  ['Transmit flow control', enabled(0x10000000)],
  ['VLAN mode', enabled(0x40000000)],
  ['Auto speed detect', enabled(0x20)],
  ['Speed select', choice(0x300, { 0: '10Mb/s', 0x100: '100Mb/s', 0x200: '1000Mb/s' }, 'not used')],
  ['Force speed', yes(0x800)],
  ['Force duplex', yes(0x1000)],
];
const STATUS: Bits = [
  ['Duplex', flag(0x1, 'full', 'half')],
  ['Link up', flag(0x2, 'link config', 'no link config')],
  ['TBI mode', enabled(0x20)],
  ['Link speed', choice(0xc0, { 0: '10Mb/s', 0x40: '100Mb/s' }, '1000Mb/s')],
  ['Bus type', flag(0x2000, 'PCI-X', 'PCI')],
  ['Bus speed', flag(0x800, '66MHz', '33MHz')],
  ['Bus width', flag(0x1000, '64-bit', '32-bit')],
];
const RCTL: Bits = [
  ['Receiver', enabled(0x2)],
  ['Store bad packets', enabled(0x4)],
  ['Unicast promiscuous', enabled(0x8)],
  ['Multicast promiscuous', enabled(0x10)],
  ['Long packet', enabled(0x20)],
  ['Descriptor minimum threshold size', choice(0x300, { 0: '1/2', 0x100: '1/4', 0x200: '1/8' }, 'reserved')],
  ['Broadcast accept mode', flag(0x8000, 'accept', 'ignore')],
  ['VLAN filter', enabled(0x40000)],
  ['Canonical form indicator', enabled(0x80000)],
  ['Discard pause frames', flag(0x400000, 'ignored', 'filtered')],
  ['Pass MAC control frames', flag(0x800000, 'pass', "don't pass")],
  [
    'Receive buffer size',
    choice(
      0x02030000,
      { 0: '2048', 0x10000: '1024', 0x20000: '512', 0x30000: '256', 0x02010000: '16384', 0x02020000: '8192', 0x02030000: '4096' },
      'reserved',
    ),
  ],
];
const TCTL: Bits = [
  ['Transmitter', enabled(0x2)],
  ['Pad short packets', enabled(0x8)],
  ['Software XOFF Transmission', enabled(0x400000)],
  ['Re-transmit on late collision', enabled(0x01000000)],
];

/** In the order of the dump: offset, name and meaning. */
const REGISTERS: readonly (readonly [number, string, Bits?])[] = [
  [0x00000, 'CTRL (Device control register)', CTRL],
  [0x00008, 'STATUS (Device status register)', STATUS],
  [0x00100, 'RCTL (Receive control register)', RCTL],
  [0x02808, 'RDLEN (Receive desc length)'],
  [0x02810, 'RDH   (Receive desc head)'],
  [0x02818, 'RDT   (Receive desc tail)'],
  [0x02820, 'RDTR  (Receive delay timer)'],
  [0x00400, 'TCTL (Transmit ctrl register)', TCTL],
  [0x03808, 'TDLEN (Transmit desc length)'],
  [0x03810, 'TDH   (Transmit desc head)'],
  [0x03818, 'TDT   (Transmit desc tail)'],
  [0x03820, 'TIDV  (Transmit delay timer)'],
];
const PHY_TYPES: readonly string[] = ['M88', 'IGP', 'IGP2'];

const hex = (n: number, digits: number): string => n.toString(16).toUpperCase().padStart(digits, '0');

export function decodeE1000(regs: readonly number[]): string {
  let out = 'MAC Registers\n-------------\n';
  for (const [i, [offset, name, bits]] of REGISTERS.entries()) {
    out += `0x${hex(offset, 5)}: ${name.padEnd(32)}0x${hex(regs[i], 8)}\n`;
    for (const [label, word] of bits ?? []) out += `      ${`${label}:`.padEnd(35)}${word(regs[i])}\n`;
  }
  return `${out}${'PHY type:'.padEnd(41)}${PHY_TYPES[regs[REGISTERS.length]] ?? 'unknown'}\n`;
}
