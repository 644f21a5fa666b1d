// TCP streams through QEMU's devices: what goes in must come out, in both directions; and who cut it into segments.
import { createHash } from 'node:crypto';
import { expect } from './exercise.ts';
import { IP, PEER_IP } from './machine.ts';
import type { Rig } from './rig.ts';
import type { TapRig } from './tap_rig.ts';

const PORT = 5000;
const PATIENCE_MS = 40_000;
/** What a segment carries with an MTU of 1500 and time stamps. */
const SEGMENT = 1448;
const STREAM_BYTES = 512 * 1024;
/** Packets that carry more than this on average were not cut by our kernel, or were put together by the device. */
export const LARGE_PACKET = 2 * SEGMENT;

/** Text that repeats nowhere: a stream that lost or doubled a piece is another one. */
function streamText(bytes: number): string {
  let text = '';
  for (let i = 0; text.length < bytes; i++) text += `${i} ${createHash('md5').update(String(i)).digest('hex')}\n`;
  return text.slice(0, bytes);
}

/** From our kernel on QEMU's board to the simulated machine, or back; frames that the wire saw from QEMU, and to it. */
async function stream(rig: Rig, direction: 'out' | 'in'): Promise<{ readonly from: number; readonly to: number }> {
  const text = streamText(STREAM_BYTES);
  const [from, to] = [rig.port.received, rig.port.sent];
  const server = direction === 'out' ? rig.startOnPeer(`nc -l -p ${PORT}`) : rig.start(`nc -l -p ${PORT}`);
  const client = `nc -N ${direction === 'out' ? PEER_IP : IP} ${PORT}`;
  const sent = await (direction === 'out' ? rig.start(client, text) : rig.startOnPeer(client, text)).outcome(PATIENCE_MS);
  const got = await server.outcome(5000);
  expect(got.out === text, `${got.out.length} of ${text.length} bytes arrived, or others; ${sent.out}\n${rig.dmesg(4)}`);
  return { from: rig.port.received - from, to: rig.port.sent - to };
}

/** Both directions without a tap: whatever is segmented, our kernel or the device did it. */
export async function streams(rig: Rig): Promise<string> {
  const out = await stream(rig, 'out');
  const into = await stream(rig, 'in');
  const least = Math.floor(STREAM_BYTES / SEGMENT);
  expect(out.from >= least && into.to >= least, `${out.from} frames out, ${into.to} in, at least ${least} wanted`);
  return `${STREAM_BYTES / 1024} KiB each way, unchanged: ${out.from} frames out, ${into.to} in`;
}

const RECEIVER = `require('net').createServer((s)=>{const h=require('crypto').createHash('md5');let n=0;s.on('data',(d)=>{n+=d.length;h.update(d)});s.on('end',()=>{console.log(n,h.digest('hex'));process.exit(0)})}).listen(${PORT},'${PEER_IP}',()=>console.error('ready'))`;

/** To this machine's Linux; packets that our kernel handed to the device for it. */
export async function streamToLinux(rig: TapRig): Promise<{ readonly packets: number; readonly bytes: number }> {
  const text = streamText(STREAM_BYTES);
  const before = rig.kernel.net.dev_get_stats(rig.dev).tx_packets;
  const server = rig.startOnHost([process.execPath, '-e', RECEIVER]);
  await rig.pump.until(() => server.said().includes('ready'), PATIENCE_MS);
  const sent = await rig.start(`nc -N ${PEER_IP} ${PORT}`, text).outcome(PATIENCE_MS);
  const { out } = await server.outcome();
  const wanted = `${text.length} ${createHash('md5').update(text).digest('hex')}`;
  expect(out.includes(wanted), `wanted ${wanted}, Linux got: ${out}${sent.out}\n${rig.dmesg(4)}`);
  return { packets: rig.kernel.net.dev_get_stats(rig.dev).tx_packets - before, bytes: text.length };
}

const sender = (bytes: number): string =>
  `let t='';for(let i=0;t.length<${bytes};i++)t+=i+' '+require('crypto').createHash('md5').update(String(i)).digest('hex')+'\\n';require('net').connect(${PORT},'${IP}').end(t.slice(0,${bytes}))`;

/** From this machine's Linux; packets that the device handed to our kernel. */
export async function streamFromLinux(rig: TapRig): Promise<{ readonly packets: number; readonly bytes: number }> {
  const text = streamText(STREAM_BYTES);
  const before = rig.kernel.net.dev_get_stats(rig.dev).rx_packets;
  const server = rig.start(`nc -l -p ${PORT}`);
  const said = await rig.onHost([process.execPath, '-e', sender(text.length)]);
  const got = await server.outcome(PATIENCE_MS);
  expect(got.out === text, `${got.out.length} of ${text.length} bytes arrived, or others; ${said.out}\n${rig.dmesg(4)}`);
  return { packets: rig.kernel.net.dev_get_stats(rig.dev).rx_packets - before, bytes: text.length };
}
