// Faults as people write them, on a line and in a lab file.
import { expect, test } from 'vitest';
import { formatFault, parseFault } from './faults.ts';
import { formatLab, parseLab } from './labs.ts';

test('a fault on a line says what it befalls, when and how often', () => {
  const fault = parseFault('late-interrupt@h1:nic0,queue=2,time=2s,for=500ms,skip=3,times=always,probability=10%,value=1ms');
  expect(fault).toEqual({
    kind: 'late-interrupt',
    at: 'h1:nic0',
    queue: 2,
    after: 2e9,
    lasts: 5e8,
    skip: 3,
    times: -1,
    probability: 0.1,
    value: 1e6,
  });
  if (typeof fault === 'string') throw new Error(fault);
  expect(parseFault(formatFault(fault))).toEqual(fault);
});

test.each([
  ['lost-doorbell', "'lost-doorbell': write KIND@PLACE[,KEY=VALUE…], for example lost-doorbell@h1:nic0,queue=1"],
  ['lost-doorbell@h1:nic0,queue=x', "queue: 'x' is not a queue number"],
  ['lost-doorbell@h1:nic0,value=3', 'lost-doorbell has no value'],
  ['probe-fail@h1', 'function: probe-fail needs the name of the step that fails'],
])('%s is a mistake', (line, message) => {
  expect(parseFault(line)).toBe(message);
});

const LAB = `
ringscope: 1
name: f
machines:
  h1: { nics: { nic0: {} }, contract: false, variants: ['virtio_net:napi-completes-twice'] }
faults:
  - { kind: stuck-queue, at: h1:nic0, queue: 1, time: 2 s, for: 6 s }
  - { kind: probe-fail, at: h1, function: virtnet_find_vqs }
`;

test('a lab keeps its faults, variants and contract when it is written and read again', () => {
  const lab = parseLab(LAB, 'f');
  expect(lab.faults).toEqual([
    { kind: 'stuck-queue', at: 'h1:nic0', queue: 1, after: 2e9, lasts: 6e9 },
    { kind: 'probe-fail', at: 'h1', fn: 'virtnet_find_vqs' },
  ]);
  expect(parseLab(formatLab(lab), 'f')).toEqual(lab);
});

test('a fault at a place that is not there is a mistake with its line', () => {
  expect(() => parseLab(LAB.replace('at: h1:nic0', 'at: h2:nic0'), 'f')).toThrow("f:7:30: there is no nic 'h2:nic0': h1:nic0");
});
