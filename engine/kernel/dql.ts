// Byte queue limits (Linux: lib/dynamic_queue_limits.c): how many bytes a transmit queue may have in the device, learnt from completions.
import type { Instant } from '../base/units.ts';

/** Linux: DQL_MAX_LIMIT, UINT_MAX / 2 less DQL_MAX_OBJECT */
export const DQL_MAX_LIMIT = 0x7fffffff - 0xfffffff;
const MAX_SLACK = Infinity;
/** Linux: netdev_queue's hold time of a second, in ms as sysfs shows it */
const HOLD_TIME_MS = 1000;

const positive = (n: number): number => Math.max(n, 0);

/** Linux: struct dql. Counters here do not wrap: they are exact below 2^53. */
export class Dql {
  num_queued = 0;
  num_completed = 0;
  /** Limit in force after the last completion, relative: `num_completed + limit`. */
  adj_limit = 0;
  limit = 0;
  min_limit = 0;
  max_limit = DQL_MAX_LIMIT;
  /** ms */
  slack_hold_time = HOLD_TIME_MS;
  private last_obj_cnt = 0;
  private prev_num_queued = 0;
  private prev_ovlimit = 0;
  private prev_last_obj_cnt = 0;
  private lowest_slack = MAX_SLACK;
  private slack_start_time = 0 as Instant;

  /** Linux: dql_reset() */
  reset(now: Instant): void {
    this.limit = this.min_limit;
    this.num_queued = this.num_completed = this.last_obj_cnt = 0;
    this.prev_num_queued = this.prev_last_obj_cnt = this.prev_ovlimit = 0;
    this.adj_limit = this.limit;
    this.lowest_slack = MAX_SLACK;
    this.slack_start_time = now;
  }

  get inflight(): number {
    return this.num_queued - this.num_completed;
  }
  /** Bytes that may still be queued; negative when the limit is passed. */
  get avail(): number {
    return this.adj_limit - this.num_queued;
  }

  queued(count: number): void {
    this.last_obj_cnt = count;
    this.num_queued += count;
  }

  /**
   * Bytes left the device. The limit grows when the queue ran dry while more was waiting behind the limit, and shrinks when for a whole
   * hold time more was in the device than it needed (Linux: dql_completed()).
   */
  completed(count: number, now: Instant): void {
    const { num_queued, prev_num_queued, prev_ovlimit } = this;
    const completed = this.num_completed + count;
    let { limit } = this;
    let ovlimit = positive(num_queued - this.num_completed - limit);
    const inprogress = num_queued - completed;
    const prev_inprogress = prev_num_queued - this.num_completed;
    const all_prev_completed = completed - prev_num_queued >= 0;
    if ((ovlimit > 0 && inprogress === 0) || (prev_ovlimit > 0 && all_prev_completed)) {
      // starved: raise by what was completed and could not be replaced, plus what went over the limit before
      limit += positive(completed - prev_num_queued) + prev_ovlimit;
      this.slack_start_time = now;
      this.lowest_slack = MAX_SLACK;
    } else if (inprogress > 0 && prev_inprogress > 0 && !all_prev_completed) {
      // busy the whole interval: what the limit had to spare
      let slack = positive(limit + prev_ovlimit - 2 * (completed - this.num_completed));
      const slack_last_objs = prev_ovlimit > 0 ? positive(this.prev_last_obj_cnt - prev_ovlimit) : 0;
      slack = Math.max(slack, slack_last_objs);
      if (slack < this.lowest_slack) this.lowest_slack = slack;
      if (now > this.slack_start_time + this.slack_hold_time * 1e6) {
        limit = positive(limit - this.lowest_slack);
        this.slack_start_time = now;
        this.lowest_slack = MAX_SLACK;
      }
    }
    limit = Math.min(Math.max(limit, this.min_limit), this.max_limit);
    if (limit !== this.limit) {
      this.limit = limit;
      ovlimit = 0;
    }
    this.adj_limit = limit + completed;
    this.prev_ovlimit = ovlimit;
    this.prev_last_obj_cnt = this.last_obj_cnt;
    this.num_completed = completed;
    this.prev_num_queued = num_queued;
  }
}
