// Lab files: what is read, what is refused and with which words.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatLab, LabErrors, parseLab } from './labs.ts';

const LABS = 'resources/labs';
const shipped = readdirSync(LABS).filter((f) => f.endsWith('.lab.yaml'));

const errors = (text: string): string[] => {
  try {
    parseLab(text, 'x.lab.yaml');
  } catch (e) {
    if (e instanceof LabErrors) return e.message.split('\n');
    throw e;
  }
  return [];
};

const TWO = `ringscope: 1
name: Two
machines:
  a:
    nics:
      nic0: {}
  b:
    nics:
      nic0: {}
cables:
  - between: [a:nic0, b:nic0]
    rate: 1 Gbit/s
    delay: 5 us
`;

describe('a shipped lab', () => {
  test.each(shipped)('%s is valid and survives being written and read again', (file) => {
    const lab = parseLab(readFileSync(`${LABS}/${file}`, 'utf8'), file);
    expect(parseLab(formatLab(lab), file)).toEqual(lab);
  });
});

describe('a lab file with a mistake', () => {
  test('defaults fill what is left out', () => {
    const lab = parseLab(TWO, 'x');
    expect(lab.machines[1].nics[0]).toMatchObject({ mac: '52:54:00:00:02:01', queuePairs: 1, ringSize: 256 });
    expect(lab.cables[0]).toMatchObject({ rate: 1e9, delay: 5000, loss: 0, up: true });
  });

  test('a name used twice is named with its place', () => {
    expect(errors(TWO.replace('  b:\n', '  a:\n'))).toEqual([
      'x.lab.yaml:7:3: this name is used twice: each machine and port needs its own',
    ]);
  });

  test('a missing port is named with the ports there are', () => {
    expect(errors(TWO.replace('b:nic0]', 'b:nic7]'))).toEqual(["x.lab.yaml:11:23: b has no port 'nic7': its ports are nic0"]);
  });

  test('a cable to a missing machine is named with the machines there are', () => {
    expect(errors(TWO.replace('b:nic0]', 'c:nic0]'))).toEqual(["x.lab.yaml:11:23: there is no machine 'c': the machines are a, b"]);
  });

  test('a wrong unit says what to write', () => {
    expect(errors(TWO.replace('1 Gbit/s', '1 Gbyte'))).toEqual([
      "x.lab.yaml:12:11: '1 Gbyte' is not a rate: write a number with its unit, for example 10 Gbit/s",
    ]);
    expect(errors(TWO.replace('5 us', '5'))).toEqual([
      "x.lab.yaml:13:12: '5' is not a duration: write a number with its unit, for example 5 us",
    ]);
  });

  test('an unknown key is named where it stands', () => {
    expect(errors(TWO.replace('nic0: {}\n  b', 'nic0: { colour: 3 }\n  b'))).toEqual(["x.lab.yaml:6:15: 'colour' is not a key here"]);
  });

  test('a port with two cables is refused', () => {
    expect(errors(`${TWO}  - between: [a:nic0, b:nic0]\n`)).toContain('x.lab.yaml:14:15: a:nic0 has a cable already: a port takes one');
  });

  test('an unknown cost is named where it stands', () => {
    expect(errors(TWO.replace('  a:\n', '  a:\n    costs: { coffee: 3 }\n'))).toEqual(["x.lab.yaml:5:14: 'coffee' is not a key here"]);
  });

  test('all mistakes are reported at once', () => {
    expect(errors(TWO.replace('b:nic0]', 'c:nic0]').replace('a:nic0,', 'a:nic9,'))).toHaveLength(2);
  });

  test('a file that is no YAML map says so', () => {
    expect(errors('- a\n- b\n')[0]).toMatch(/^x\.lab\.yaml:1:1: /);
    expect(errors('ringscope: [1')[0]).toMatch(/^x\.lab\.yaml:\d+:\d+: /);
  });
});
