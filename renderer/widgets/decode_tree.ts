// A decoded frame as a list of visible lines, and which node a byte belongs to. Pure.
import type { DecodeNode } from '../../preload/contract.ts';

/** A node's place among its siblings, level by level: '0', '0.2', '0.2.1'. */
export type NodePath = string;

export interface DecodeLine {
  readonly path: NodePath;
  readonly node: DecodeNode;
  readonly level: number; // 1 for the outermost
  readonly open: boolean;
  readonly branch: boolean;
}

export function visibleLines(nodes: readonly DecodeNode[], open: ReadonlySet<NodePath>, prefix = '', level = 1): readonly DecodeLine[] {
  const lines: DecodeLine[] = [];
  nodes.forEach((node, i) => {
    const path = prefix === '' ? String(i) : `${prefix}.${i}`;
    const branch = (node.children?.length ?? 0) > 0;
    const isOpen = branch && open.has(path);
    lines.push({ path, node, level, open: isOpen, branch });
    if (isOpen) lines.push(...visibleLines(node.children ?? [], open, path, level + 1));
  });
  return lines;
}

/** The innermost node that covers a byte. */
export function nodeAtByte(nodes: readonly DecodeNode[], offset: number, prefix = ''): NodePath | undefined {
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i];
    if (offset < node.start || offset >= node.end) continue;
    const path = prefix === '' ? String(i) : `${prefix}.${i}`;
    return nodeAtByte(node.children ?? [], offset, path) ?? path;
  }
  return undefined;
}

export function nodeAt(nodes: readonly DecodeNode[], path: NodePath): DecodeNode | undefined {
  let level: readonly DecodeNode[] = nodes;
  let node: DecodeNode | undefined;
  for (const index of path.split('.')) {
    node = level[Number(index)];
    level = node?.children ?? [];
  }
  return node;
}

export function parentOf(path: NodePath): NodePath | undefined {
  const dot = path.lastIndexOf('.');
  return dot < 0 ? undefined : path.slice(0, dot);
}

/** All enclosing paths, outermost first. */
export function ancestorsOf(path: NodePath): readonly NodePath[] {
  const parts = path.split('.');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('.'));
}
