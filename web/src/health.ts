// Whether what is shown can be trusted to be current, and why not, in words.

import type { Status } from './api';
import { clock, duration } from './format';
import type { StreamState } from './stream';

export interface Health {
  level: 'good' | 'waiting' | 'bad';
  label: string;  // a word or two
  notice: string;  // a sentence when something is wrong; else empty
}

export interface HealthInput {
  stream: StreamState;
  now: number;  // of the stream's clock
  heardAt: number;  // of the stream's clock
  status: Status | undefined;
  dataUntil: number | undefined;  // of the server's clock: how far what is shown reaches
}

const SILENT_MS = 6_000;

export function health({ stream, now, heardAt, status, dataUntil }: HealthInput): Health {
  const until = dataUntil === undefined ? '' : `, showing data until ${clock(dataUntil)}`;
  if (stream.kind !== 'open') {
    if (stream.kind === 'connecting' && !status) return { level: 'waiting', label: 'Connecting', notice: '' };
    const seconds = stream.kind === 'waiting' ? Math.ceil((stream.retryAt - now) / 1_000) : 0;
    const next = seconds > 0 ? `trying again in ${seconds} s` : 'trying again';
    if (!status) return { level: 'bad', label: 'No connection', notice: `finpipe does not answer; ${next}.` };
    return { level: 'bad', label: 'Connection lost', notice: `Connection lost${until}; ${next}.` };
  }
  if (now - heardAt >= SILENT_MS) {
    const silence = duration(Math.floor((now - heardAt) / 1_000) * 1_000);
    return { level: 'bad', label: 'No answer', notice: `finpipe has been silent for ${silence}${until}.` };
  }
  if (!status) return { level: 'waiting', label: 'Connected', notice: '' };
  if (status.stale) {
    const age = status.heartbeat_age_ms;
    const since = age === null ? 'yet' : `for ${duration(Math.floor(age / 1_000) * 1_000)}`;
    const notice = `The pipeline has not reported ${since}: what is shown may be old.`;
    return { level: 'bad', label: 'Stale', notice };
  }
  const { state, since, detail } = status.feed;
  if (state === 'connected') return { level: 'good', label: 'Live', notice: '' };
  const what = state === 'stalled' ? 'The feed has gone silent' : 'The feed is disconnected';
  const when = since === null ? '' : ` since ${clock(since)}`;
  const why = detail ? ` (${detail})` : '';
  return {
    level: 'bad',
    label: state === 'stalled' ? 'Feed stalled' : 'Feed down',
    notice: `${what}${when}${why}. Trades made until it is back will be missing, and be marked as a gap.`,
  };
}
