// A cable on the canvas: its line, what it does to frames, and whether it is cut.
import { BaseEdge, type EdgeProps } from '@xyflow/react';
import { memo, type ReactNode } from 'react';
import type { CableView } from '../../preload/contract.ts';
import { formatDuration, formatLoss, formatRate } from '../widgets/units.ts';
import type { CableEdge } from './flow_model.ts';
import { cableCurve, curvePath, curvePoint } from './geometry.ts';

/** '1 Gbit/s · 1 ms · 0.5 %'; nothing for a cable without limits. */
export function cableText(cable: CableView): string {
  const parts: string[] = [];
  if (cable.rateBitsPerSecond > 0) parts.push(formatRate(cable.rateBitsPerSecond));
  if (cable.delayNs > 0) parts.push(formatDuration(cable.delayNs));
  if (cable.loss > 0) parts.push(`${formatLoss(cable.loss)} loss`);
  return parts.join(' · ');
}

export const CableLine = memo(function CableLine({
  id,
  sourceX,
  sourceY,
  targetX,
  targetY,
  data,
  selected,
}: EdgeProps<CableEdge>): ReactNode {
  if (data === undefined) return undefined;
  const { cable, fromSide, toSide } = data;
  const curve = cableCurve({ x: sourceX, y: sourceY }, fromSide, { x: targetX, y: targetY }, toSide);
  const middle = curvePoint(curve, 0.5);
  const text = cableText(cable);
  return (
    <g className="cable" data-selected={selected === true ? '' : undefined} data-cut={cable.up ? undefined : ''}>
      <BaseEdge id={id} path={curvePath(curve)} interactionWidth={18} />
      {cable.up ? undefined : <path className="cable-cut" d={`M${middle.x - 6},${middle.y - 6}l12,12m0,-12l-12,12`} />}
      {text === '' && cable.up ? undefined : (
        <text className="cable-text" x={middle.x} y={middle.y - 10}>
          {cable.up ? text : text === '' ? 'cut' : `cut · ${text}`}
        </text>
      )}
    </g>
  );
});
