// Frames decoded for people.
export { decodeFrame, type Decoded as FrameDecode } from '../../wire/decode.ts';
