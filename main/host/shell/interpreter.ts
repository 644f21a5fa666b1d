// A streaming shell interpreter over just-bash's parser: commands of a pipeline run at the same time, output appears as it is written.
import { parse, type CommandNode, type PipelineNode, type ScriptNode, type SimpleCommandNode, type StatementNode } from 'just-bash';
import { evaluate } from './arithmetic.ts';
import { builtins } from './builtins.ts';
import { Expander, ShellError } from './expand.ts';
import { patternToRegExp } from './glob.ts';
import { type Io, openRedirections } from './redirect.ts';
import { type CompoundCommand, Flow, ShellState } from './state.ts';
import { Collector, Pipe } from './streams.ts';
import { conditional } from './conditional.ts';
import { hostTools } from './text_tools/index.ts';
import { runWorldProcess } from './world_process.ts';

/** Runs scripts in one shell state. Stateless itself. */
export class Interpreter {
  readonly expander = new Expander((script, state) => this.capture(script, state));

  /** Runs a whole script; syntax errors are reported where they are and the lines before them still run. Answers the exit status. */
  async runText(text: string, state: ShellState, io: Io): Promise<number> {
    for (const part of completeCommands(text)) {
      if ('error' in part) {
        await io.stderr.write(`bash: ${part.error}\n`);
        state.status = 2;
        continue;
      }
      const flow = await this.statements(part.statements, state, io);
      if (flow !== undefined) return (state.status = flow.kind === 'exit' || flow.kind === 'return' ? flow.value : state.status);
      if (state.job.signalled !== 0) return (state.status = 128 + state.job.signalled);
    }
    return state.status;
  }

  /** One interactive command line: as `runText`, but answers the Flow that ended it (an `exit`). */
  async runInteractive(text: string, state: ShellState, io: Io): Promise<Flow | undefined> {
    for (const part of completeCommands(text)) {
      if ('error' in part) {
        await io.stderr.write(`bash: ${part.error}\n`);
        state.status = 2;
        return undefined;
      }
      const flow = await this.statements(part.statements, state, io);
      if (flow !== undefined) return flow;
    }
    return undefined;
  }

  /** A list of statements; a Flow when something leaves it early. */
  async statements(list: readonly StatementNode[], state: ShellState, io: Io, guarded = false): Promise<Flow | undefined> {
    for (const s of list) {
      const flow = await this.statement(s, state, io, guarded);
      if (flow !== undefined) return flow;
      if (state.job.signalled !== 0) {
        state.status = 128 + state.job.signalled;
        return new Flow('exit', state.status);
      }
    }
    return undefined;
  }

  private async statement(s: StatementNode, state: ShellState, io: Io, guarded: boolean): Promise<Flow | undefined> {
    if (s.deferredError !== undefined) {
      await io.stderr.write(`${state.says}${s.deferredError.message}\n`);
      state.status = 2;
      return undefined;
    }
    if (s.background) {
      this.background(s, state, io);
      return undefined;
    }
    for (let i = 0; i < s.pipelines.length; i++) {
      if (i > 0) {
        const op = s.operators[i - 1];
        if ((op === '&&' && state.status !== 0) || (op === '||' && state.status === 0)) continue;
      }
      const last = i === s.pipelines.length - 1;
      const flow = await this.pipeline(s.pipelines[i], state, io);
      if (flow !== undefined) return flow;
      if (state.errexit && !guarded && last && state.status !== 0 && !s.pipelines[i].negated) return new Flow('exit', state.status);
    }
    return undefined;
  }

  private background(s: StatementNode, state: ShellState, io: Io): void {
    const job = state.shared.newJob((s.sourceText ?? '').replace(/\s*&\s*$/, ''));
    state.shared.jobs.set(job.id, job);
    state.lastBackground = job.pid;
    state.status = 0;
    if (state.shared.interactive) void io.stderr.write(`[${job.id}] ${job.pid}\n`);
    const child = state.child(job);
    void this.statement({ ...s, background: false }, child, io, false).then(
      (flow) => job.finish(flow?.kind === 'exit' ? flow.value : child.status),
      () => job.finish(1),
    );
  }

  private async pipeline(p: PipelineNode, state: ShellState, io: Io): Promise<Flow | undefined> {
    const began = state.port.now();
    let flow: Flow | undefined;
    if (p.commands.length === 1) flow = await this.command(p.commands[0], state, io);
    else {
      const statuses = await Promise.all(this.connect(p, state, io));
      state.status = statuses[statuses.length - 1];
    }
    if (p.negated) state.status = state.status === 0 ? 1 : 0;
    if (p.timed === true) await io.stderr.write(timing(state.port.now() - began, p.timePosix === true));
    return flow;
  }

  private connect(p: PipelineNode, state: ShellState, io: Io): Promise<number>[] {
    let input = io.stdin;
    return p.commands.map((command, i) => {
      const last = i === p.commands.length - 1;
      const pipe = last ? undefined : new Pipe();
      const child = state.child();
      const mine: Io = {
        stdin: input,
        stdout: pipe ?? io.stdout,
        stderr: p.pipeStderr?.[i] === true && pipe !== undefined ? pipe : io.stderr,
      };
      const source = input;
      if (pipe !== undefined) input = pipe;
      return this.command(command, child, mine).then((flow) => {
        pipe?.close();
        if (i > 0) source.cancel();
        return flow?.kind === 'exit' ? flow.value : child.status;
      });
    });
  }

  /** `$(…)`: the script's standard output. */
  private async capture(script: ScriptNode, state: ShellState): Promise<string> {
    const out = new Collector();
    const child = state.child();
    const flow = await this.statements(script.statements, child, {
      stdin: state.shared.stdin(),
      stdout: out,
      stderr: state.shared.stderr(),
    });
    state.status = flow?.kind === 'exit' ? flow.value : child.status;
    return out.text;
  }

  private async command(c: CommandNode, state: ShellState, outer: Io): Promise<Flow | undefined> {
    try {
      if (c.type === 'FunctionDef') {
        state.functions.set(c.name, c.body);
        state.status = 0;
        return undefined;
      }
      const opened = await openRedirections(c.redirections, state, outer, this.expander);
      try {
        return c.type === 'SimpleCommand' ? await this.simple(c, state, opened.io) : await this.compound(c, state, opened.io);
      } finally {
        opened.close();
      }
    } catch (e) {
      if (!(e instanceof ShellError)) throw e;
      await outer.stderr.write(e.message.startsWith('ringscope: ') ? `${e.message}\n` : `${state.says}${e.message}\n`);
      state.status = e.status;
      return undefined;
    }
  }

  private async simple(c: SimpleCommandNode, state: ShellState, io: Io): Promise<Flow | undefined> {
    if (c.line !== undefined) state.shared.line = c.line;
    const words = await this.expander.fields(c.name === null ? c.args : [c.name, ...c.args], state);
    const assigned: [string, string][] = [];
    for (const a of c.assignments) {
      const text = a.value === null ? '' : await this.expander.single(a.value, state);
      assigned.push([a.name, a.append ? (state.vars.get(a.name) ?? '') + text : text]);
    }
    if (words.length === 0) {
      for (const [k, v] of assigned) state.vars.set(k, v);
      if (!c.assignments.some((a) => a.value?.parts.some((p) => p.type === 'CommandSubstitution'))) state.status = 0;
      return undefined;
    }
    if (state.xtrace) await io.stderr.write(`+ ${words.join(' ')}\n`);
    if (assigned.length === 0) return this.execute(words, state, io);
    const scope = state.child();
    for (const [k, v] of assigned) {
      scope.vars.set(k, v);
      scope.exported.add(k);
    }
    const flow = await this.execute(words, scope, io);
    state.status = scope.status;
    state.cwd = scope.cwd;
    return flow;
  }

  /** Runs a command by name: function, builtin, text tool of the host, program of the machine. */
  async execute(words: readonly string[], state: ShellState, io: Io): Promise<Flow | undefined> {
    const [name, ...args] = words;
    const fn = state.functions.get(name);
    if (fn !== undefined) return this.callFunction(fn, args, state, io);
    const builtin = builtins.get(name);
    if (builtin !== undefined) return builtin(args, state, io, this);
    return this.external(words, state, io);
  }

  /** Whether a name is a program: a tool of the host's shell or one of the machine. */
  isProgram(name: string, state: ShellState): boolean {
    const base = name.replace(/^(\/usr)?\/s?bin\//, '');
    return hostTools.has(base) || state.port.programs().includes(base);
  }

  /** Runs a command that is neither function nor builtin. */
  async external(words: readonly string[], state: ShellState, io: Io): Promise<undefined> {
    const name = words[0].replace(/^(\/usr)?\/s?bin\//, '');
    const tool = hostTools.get(name);
    if (tool !== undefined) state.status = await tool(words.slice(1), state, io, this);
    else state.status = await runWorldProcess([name, ...words.slice(1)], state, io, this);
    return undefined;
  }

  private async callFunction(fn: CompoundCommand, args: readonly string[], state: ShellState, io: Io): Promise<Flow | undefined> {
    const saved = state.positional;
    state.positional = [...args];
    try {
      const flow = await this.command(fn, state, io);
      if (flow?.kind !== 'return') return flow;
      state.status = flow.value;
      return undefined;
    } finally {
      state.positional = saved;
    }
  }

  private async compound(c: CompoundCommand, state: ShellState, io: Io): Promise<Flow | undefined> {
    switch (c.type) {
      case 'Group':
        return this.statements(c.body, state, io);
      case 'Subshell': {
        const child = state.child();
        const flow = await this.statements(c.body, child, io);
        state.status = flow?.kind === 'exit' ? flow.value : child.status;
        return undefined;
      }
      case 'If':
        for (const clause of c.clauses) {
          const flow = await this.statements(clause.condition, state, io, true);
          if (flow !== undefined) return flow;
          if (state.status === 0) return this.statements(clause.body, state, io);
        }
        state.status = 0;
        return c.elseBody === null ? undefined : this.statements(c.elseBody, state, io);
      case 'For': {
        const words = c.words === null ? state.positional : await this.expander.fields(c.words, state);
        let i = 0;
        return this.loop(c.body, state, io, () => {
          if (i >= words.length) return Promise.resolve(false);
          state.vars.set(c.variable, words[i++]);
          return Promise.resolve(true);
        });
      }
      case 'CStyleFor': {
        if (c.init !== null) evaluate(c.init, state);
        let first = true;
        return this.loop(c.body, state, io, () => {
          if (!first && c.update !== null) evaluate(c.update, state);
          first = false;
          return Promise.resolve(c.condition === null || evaluate(c.condition, state) !== 0);
        });
      }
      case 'While':
      case 'Until': {
        const want = c.type === 'While';
        return this.loop(c.body, state, io, async () => {
          const flow = await this.statements(c.condition, state, io, true);
          return flow ?? (state.status === 0) === want;
        });
      }
      case 'Case': {
        const word = await this.expander.single(c.word, state);
        state.status = 0;
        for (const item of c.items) {
          for (const p of item.patterns)
            if (patternToRegExp(await this.expander.pattern(p, state)).test(word)) return this.statements(item.body, state, io);
        }
        return undefined;
      }
      case 'ArithmeticCommand':
        try {
          state.status = evaluate(c.expression, state) !== 0 ? 0 : 1;
        } catch (e) {
          throw new ShellError(`((: ${e instanceof Error ? e.message : String(e)}`);
        }
        return undefined;
      case 'ConditionalCommand':
        state.status = (await conditional(c.expression, state, this.expander)) ? 0 : 1;
        return undefined;
    }
  }

  private async loop(
    body: readonly StatementNode[],
    state: ShellState,
    io: Io,
    next: () => Promise<boolean | Flow>,
  ): Promise<Flow | undefined> {
    let status = 0;
    for (;;) {
      const go = await next();
      if (go instanceof Flow) return go;
      if (!go) break;
      const flow = await this.statements(body, state, io);
      status = state.status;
      if (flow === undefined) continue;
      if (flow.kind !== 'break' && flow.kind !== 'continue') return flow;
      if (flow.value > 1) return new Flow(flow.kind, flow.value - 1);
      if (flow.kind === 'break') break;
    }
    state.status = status;
    return undefined;
  }
}

function timing(elapsed: number, posix: boolean): string {
  const total = elapsed / 1e9;
  if (posix) return `real ${total.toFixed(2)}\nuser 0.00\nsys 0.00\n`;
  const form = (t: number): string => `${Math.floor(t / 60)}m${(t % 60).toFixed(3)}s`;
  return `\nreal\t${form(total)}\nuser\t${form(0)}\nsys\t${form(0)}\n`;
}

/** The script's commands; where the whole does not parse, as many leading lines as do, then the error, then what follows. */
function* completeCommands(text: string): Generator<ScriptNode | { error: string }> {
  const whole = tryParse(text);
  if (!('error' in whole)) {
    yield whole;
    return;
  }
  const lines = text.split('\n');
  let start = 0;
  while (start < lines.length) {
    let found: ScriptNode | undefined;
    let end = start + 1;
    let firstError = '';
    for (; end <= lines.length && end - start <= 200; end++) {
      const parsed = tryParse(`${lines.slice(start, end).join('\n')}\n`);
      if (!('error' in parsed)) {
        found = parsed;
        break;
      }
      firstError ||= parsed.error;
    }
    if (found !== undefined) {
      yield found;
      start = end;
    } else {
      yield { error: `line ${start + 1}: ${firstError}` };
      start++;
    }
  }
}

function tryParse(text: string): ScriptNode | { error: string } {
  try {
    return parse(text);
  } catch (e) {
    return { error: e instanceof Error ? e.message : String(e) };
  }
}

/** Whether more lines are needed before this can run (an interactive continuation prompt). */
export function isIncomplete(text: string): boolean {
  const parsed = tryParse(`${text}\n`);
  return text.endsWith('\\') || ('error' in parsed && /unexpected (end of file|EOF)|unterminated|expected/i.test(parsed.error));
}
