// A byte finds its innermost field, and a field can be shown by opening what encloses it.
import { describe, expect, it } from 'vitest';
import type { DecodeNode } from '../../preload/contract.ts';
import { ancestorsOf, nodeAt, nodeAtByte, parentOf, visibleLines } from './decode_tree.ts';

const nodes: readonly DecodeNode[] = [
  {
    label: 'Ethernet',
    start: 0,
    end: 14,
    children: [
      { label: 'dst', start: 0, end: 6 },
      { label: 'type', start: 12, end: 14 },
    ],
  },
  {
    label: 'IPv4',
    start: 14,
    end: 34,
    children: [{ label: 'flags', start: 20, end: 22, children: [{ label: 'DF', start: 20, end: 21 }] }],
  },
];

describe('decode_tree', () => {
  it('a byte belongs to the innermost node that covers it, and to none outside', () => {
    expect(nodeAtByte(nodes, 20)).toBe('1.0.0');
    expect(nodeAtByte(nodes, 21)).toBe('1.0');
    expect(nodeAtByte(nodes, 8)).toBe('0');
    expect(nodeAtByte(nodes, 34)).toBeUndefined();
  });
  it('opening all ancestors of a node makes its line visible', () => {
    const path = '1.0.0';
    const lines = visibleLines(nodes, new Set(ancestorsOf(path)));
    expect(lines.map((line) => line.node.label)).toEqual(['Ethernet', 'IPv4', 'flags', 'DF']);
    expect(lines.at(-1)?.level).toBe(3);
    expect(nodeAt(nodes, path)?.label).toBe('DF');
    expect(parentOf(path)).toBe('1.0');
    expect(parentOf('1')).toBeUndefined();
  });
});
