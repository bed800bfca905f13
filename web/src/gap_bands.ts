// Draws the spans in which the feed is known to have been interrupted behind the candles, at their true extent. Bars
// that nobody traded in do not exist on the chart, so a span can fall between two of them: it still gets a thin band.

import type { CanvasRenderingTarget2D } from 'fancy-canvas';
import type {
  IChartApi, IPrimitivePaneView, ISeriesPrimitive, Logical, SeriesAttachedParameter, Time,
} from 'lightweight-charts';
import type { Gap } from './api';

// Where a moment lies, in bars from the left edge of the first one: 2.5 is the middle of the third.
export type Position = (time: number) => number;

// Of bars of `lengthMs`: how many start up to a time, and when one starts.
export function positionIn(
  startsUpTo: (time: number) => number, startAt: (index: number) => number, lengthMs: number,
): Position {
  return (time) => {
    const index = startsUpTo(time) - 1;
    if (index < 0) return 0;
    return index + Math.min(1, (time - startAt(index)) / lengthMs);
  };
}

const NARROWEST_PX = 2;

export class GapBands implements ISeriesPrimitive<Time> {
  #gaps: readonly Gap[] = [];
  #position: Position = () => 0;
  #color = '';
  #chart: IChartApi | undefined;
  #requestUpdate: () => void = () => {};

  readonly #views: readonly IPrimitivePaneView[] = [
    { zOrder: () => 'bottom', renderer: () => ({ draw: (target) => this.#draw(target) }) },
  ];

  attached({ chart, requestUpdate }: SeriesAttachedParameter<Time>): void {
    this.#chart = chart as IChartApi;
    this.#requestUpdate = requestUpdate;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.#views;
  }

  set(gaps: readonly Gap[], position: Position): void {
    this.#gaps = gaps;
    this.#position = position;
    this.#requestUpdate();
  }

  setColor(color: string): void {
    this.#color = color;
    this.#requestUpdate();
  }

  #draw(target: CanvasRenderingTarget2D): void {
    const scale = this.#chart?.timeScale();
    const origin = scale?.logicalToCoordinate(0 as Logical);
    const next = scale?.logicalToCoordinate(1 as Logical);
    if (origin == null || next == null) return;
    const spacing = next - origin;
    const left = origin - spacing / 2;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.fillStyle = this.#color;
      for (const { from, to } of this.#gaps) {
        const begin = left + this.#position(from) * spacing;
        const width = Math.max(NARROWEST_PX, (this.#position(to) - this.#position(from)) * spacing);
        if (begin + width < 0 || begin > mediaSize.width) continue;
        context.fillRect(begin, 0, width, mediaSize.height);
      }
    });
  }
}
