// A cable on the canvas: its line, what it does to frames, and whether it is cut.
import { BaseEdge, type EdgeProps } from '@xyflow/react';
import { memo, type ReactNode } from 'react';
import { cableText } from './cable_text.ts';
import type { CableEdge } from './flow_model.ts';
import { cableCurve, curvePath, curvePoint } from './geometry.ts';

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
