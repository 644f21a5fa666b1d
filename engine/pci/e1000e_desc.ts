// Descriptors of the 82574L: receive and transmit rings in memory, 16 bytes an entry (82574L datasheet §7.1.4, §7.2.10).
import { le16, le32, le64, struct, u8 } from '../base/layout.ts';

export const E1000_DESC_SIZE = 16;

/** §7.1.4.1 Legacy receive descriptor; software writes the address, the device the rest. */
export const RxDescLegacy = struct('e1000_rx_desc', {
  buffer_addr: le64('Where the packet goes.'),
  length: le16('Bytes written to this buffer.'),
  csum: le16('Packet checksum.'),
  status: u8('RXD_STAT_*: bit 0 DD, bit 1 end of packet.'),
  errors: u8('RXD_ERR_* of the last descriptor of a packet.'),
  special: le16('VLAN tag that was stripped.'),
});
/** §7.1.5.1 Extended receive descriptor as software writes it. */
export const RxDescRead = struct('e1000_rx_desc_extended_read', {
  buffer_addr: le64('Where the packet goes.'),
  reserved: le64('Zero: clears the DD bit of the last round.'),
});
/** §7.1.5.2 … and as the device writes it back over the same bytes. */
export const RxDescWriteback = struct('e1000_rx_desc_extended', {
  mrq: le32('RSS type in bits 3:0, queue in bits 12:8.'),
  rss: le32('RSS hash, or packet checksum and IP identification.'),
  status_error: le32('RXD_STAT_* in bits 19:0, errors in bits 31:20; bit 0 is DD.'),
  length: le16('Bytes written to this buffer.'),
  vlan: le16('VLAN tag that was stripped.'),
});
/** §7.1.6.1 Packet split receive descriptor as software writes it: where headers go, and up to three more buffers. 32 bytes. */
export const RxDescSplitRead = struct('e1000_rx_desc_packet_split_read', {
  buffer_addr0: le64('Where the headers go.'),
  buffer_addr1: le64('Where the payload goes; all ones: no buffer.'),
  buffer_addr2: le64('Where it goes on.'),
  buffer_addr3: le64('Where it goes on.'),
});
/** §7.1.6.2 … and as the device writes it back. */
export const RxDescSplit = struct('e1000_rx_desc_packet_split', {
  mrq: le32('RSS type in bits 3:0, queue in bits 12:8.'),
  rss: le32('RSS hash, or packet checksum and IP identification.'),
  status_error: le32('RXD_STAT_* in bits 19:0, errors in bits 31:20; bit 0 is DD.'),
  length0: le16('Bytes written to the first buffer.'),
  vlan: le16('VLAN tag that was stripped.'),
  header_status: le16('Length of the headers in bits 9:0; bit 15: headers were split off.'),
  length1: le16('Bytes written to the second buffer.'),
  length2: le16('To the third.'),
  length3: le16('To the fourth.'),
  reserved: le64('Zero.'),
});
export const RXDPS_HDRSP = 0x8000;
/** §7.1.5.2, table 41 */
export const RXD_STAT = { DD: 0x1, EOP: 0x2, IXSM: 0x4, VP: 0x8, UDPCS: 0x10, TCPCS: 0x20, IPCS: 0x40, IPIDV: 0x200, ACK: 0x8000 } as const;
/** Errors of an extended descriptor; a legacy one has the same in the high 8 bits. */
export const RXDEXT_ERR = { CE: 0x01000000, SE: 0x02000000, SEQ: 0x04000000, TCPE: 0x20000000, IPE: 0x40000000, RXE: 0x80000000 } as const;

/** §7.2.10.1 Legacy transmit descriptor. */
export const TxDescLegacy = struct('e1000_tx_desc', {
  buffer_addr: le64('Where the data lies.'),
  length: le16('Bytes of data.'),
  cso: u8('Where the checksum goes, when IC asks for one.'),
  cmd: u8('TXD_CMD_*: end of packet, insert FCS, report status …'),
  status: u8('Bit 0: DD, the device is done.'),
  css: u8('Where the checksum starts.'),
  special: le16('VLAN tag to insert.'),
});
/** §7.2.11 Context descriptor: parameters for the data descriptors behind it. */
export const TxDescContext = struct('e1000_context_desc', {
  ipcss: u8('IP checksum start.'),
  ipcso: u8('IP checksum offset: where it goes.'),
  ipcse: le16('IP checksum end, the last byte it covers.'),
  tucss: u8('TCP/UDP checksum start.'),
  tucso: u8('TCP/UDP checksum offset.'),
  tucse: le16('TCP/UDP checksum end, 0 for the whole packet.'),
  cmd_and_length: le32('PAYLEN in bits 19:0, DTYP in 23:20, TUCMD in 31:24.'),
  status: u8('Bit 0: DD.'),
  hdr_len: u8('Bytes of headers, repeated before each segment.'),
  mss: le16('Payload bytes per segment.'),
});
/** §7.2.12 Data descriptor. */
export const TxDescData = struct('e1000_data_desc', {
  buffer_addr: le64('Where the data lies.'),
  cmd_and_length: le32('DTALEN in bits 19:0, DTYP in 23:20, DCMD in 31:24.'),
  status: u8('Bit 0: DD.'),
  popts: u8('Bit 0: insert the IP checksum, bit 1: insert the TCP/UDP checksum.'),
  special: le16('VLAN tag to insert.'),
});
/** Command bits as they lie in cmd_and_length; a legacy descriptor's cmd byte has them 24 bits lower. */
export const TXD_CMD = {
  EOP: 0x01000000,
  IFCS: 0x02000000,
  TSE: 0x04000000,
  RS: 0x08000000,
  DEXT: 0x20000000,
  VLE: 0x40000000,
  IDE: 0x80000000,
} as const;
/** Of a context descriptor. */
export const TXD_TUCMD = { TCP: 0x01000000, IP: 0x02000000, TSE: 0x04000000 } as const;
/** Of a legacy descriptor: insert the checksum. */
export const TXD_CMD_IC = 0x04;
export const TXD_DTYP_DATA = 0x00100000;
export const TXD_LENGTH_MASK = 0xfffff;
export const TXD_POPTS = { IXSM: 0x1, TXSM: 0x2 } as const;
export const TXD_STAT_DD = 0x1;
