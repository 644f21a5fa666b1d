// Frames for people: decoded, and as capture files.
export { decodeFrame, type Decoded as FrameDecode } from '../../wire/decode.ts';
export { enhancedPacket, interfaceDescription, sectionHeader } from '../../wire/pcapng.ts';
