// The engine's only door.
export { textToBytes } from './base/byte_text.ts';
export { Errno, errnoName, strerror } from './base/errno.ts';
export { instant, type Instant } from './base/units.ts';
export type { FdTarget, SpawnSpec } from './kernel/process.ts';
export type { FsCall, FsResult, Input, InputResult, SpawnResult, StatView, WorldEdit } from './machine/inputs.ts';
export {
  FAULT_KIND_NAMES,
  FAULT_KINDS,
  type FaultKind,
  type FaultKindDef,
  type FaultSpec,
  type FaultTarget,
} from './machine/fault_kinds.ts';
export { type FaultView, faultViews, type ViolationView, violationCount, violationViews } from './session/views/faults.ts';
export type { CableSpec, LabSpec, MachineSpec, NicSpec, ScriptStep } from './machine/lab.ts';
export {
  cableId,
  COST_NAMES,
  DEFAULT_AUTOLOAD,
  DEFAULT_CABLE,
  DEFAULT_RAM_BYTES,
  DEFAULT_RING_SIZE,
  NET_PROPERTY_NAMES,
  type NetOptions,
  type NetProperty,
  MMIO_MAX,
  NIC_LIMITS,
  NIC_MODELS,
  VARIANT_NAMES,
  NIC_QUIRK_NAMES,
  fixedLab,
  type VariantName,
  E1000E_CHIPS,
  NIC_TRANSPORTS,
} from './machine/lab.ts';
export { type PacketdrillResult, runPacketdrill } from './machine/packetdrill/run.ts';
export { type Drained, type LoggedInput, Session, type SessionListener } from './session/session.ts';
export type { TraceRecord } from './trace/trace.ts';
export type { CapturedPacket } from './kernel/packet_capture.ts';
export type { World } from './machine/world.ts';
export { queuesTaken, ringList, ringView } from './session/views/rings.ts';
export { chainView } from './session/views/chains.ts';
export { labOf, portCounters, topologyView } from './session/views/topology.ts';
export { decodeFrame, type FrameDecode } from './session/views/frames.ts';
export { inspectCable, inspectMachine, inspectNic, inspectInterface } from './session/views/inspector.ts';
export { namedArgs } from './trace/trace.ts';
export { enhancedPacket, interfaceDescription, sectionHeader } from './session/views/frames.ts';
