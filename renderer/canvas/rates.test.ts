// A rate is bytes over simulated time, and never a number left over from another time.
import { describe, expect, it } from 'vitest';
import type { MotionView } from '../../preload/contract.ts';
import { RateMeter } from './rates.ts';

const at = (time: number, txBytes: number, machine = 'h1'): MotionView => ({
  time,
  frames: [],
  ports: [{ machine, port: 'nic0', txPackets: txBytes / 1000, txBytes, rxPackets: 0, rxBytes: 0 }],
});

describe('rates', () => {
  it('is measured in simulated time, so a slow motion of a fast link shows the fast link', () => {
    const meter = new RateMeter();
    meter.push(at(0, 0), 0);
    meter.push(at(1_000, 1_250), 500);
    expect(meter.rate('h1', 'nic0').tx).toBeCloseTo(10e9);
    expect(meter.rate('h1', 'nic0')).toMatchObject({ rx: 0, txActive: true, rxActive: false });
  });
  it('forgets what is older than a second', () => {
    const meter = new RateMeter();
    meter.push(at(0, 0), 0);
    meter.push(at(1e9, 1_000), 1000);
    meter.push(at(2e9, 1_000), 2000);
    meter.push(at(3e9, 1_000), 3000);
    expect(meter.rate('h1', 'nic0')).toMatchObject({ tx: 0, txActive: false });
  });
  it('starts anew when time was turned back or the ports are others', () => {
    const meter = new RateMeter();
    meter.push(at(5_000, 9_000), 0);
    meter.push(at(1_000, 2_000), 10);
    expect(meter.rate('h1', 'nic0').tx).toBe(0);
    meter.push(at(2_000, 3_000, 'h2'), 20);
    expect(meter.rate('h1', 'nic0').tx).toBe(0);
    expect(meter.rate('h2', 'nic0').tx).toBe(0);
  });
});
