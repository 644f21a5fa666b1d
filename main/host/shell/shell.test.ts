// The shell over a real world: streaming, jobs, redirection, namespaces, and the words of its errors.
import { describe, expect, test } from 'vitest';
import { openLab } from '../../../engine/testkit/lab.ts';
import { Runtime } from '../runtime.ts';
import { runScript } from './run_script.ts';
import { Collector } from './streams.ts';

async function sh(script: string, machine = 'h1', netns = ''): Promise<{ out: string; err: string; status: number; time: number }> {
  const session = openLab('two-hosts');
  const runtime = new Runtime(session);
  const started = session.time;
  const out = new Collector();
  const err = new Collector();
  const shell = runScript(script, runtime.port(machine), { stdout: out, stderr: err, netns });
  const why = await runtime.runUntil(shell.status, started + 100e9);
  expect(why).toBe('done');
  return { out: out.text, err: err.text, status: await shell.status, time: session.time - started };
}

describe('the language', () => {
  test.each([
    ['quoting and splitting', `x="a  b"; echo $x "$x" '$x' \\$x`, 'a b a  b $x $x\n'],
    [
      'parameter expansion',
      'v=/a/b.txt; echo ${v##*/} ${v%.txt} ${v:-x} ${w:-x} ${#v} ${v/b/c} ${v:1:3}',
      'b.txt /a/b /a/b.txt x 8 /a/c.txt a/b\n',
    ],
    ['arithmetic', 'i=3; echo $((i * 2 + 1)) $((i > 2 ? 7 : 8)); ((i++)); echo $i', '7 7\n4\n'],
    [
      'for, while, if, case',
      'for i in 1 2 3; do if [ $i -eq 2 ]; then continue; fi; case $i in 3) echo three;; *) echo other;; esac; done; n=0; while [ $n -lt 2 ]; do n=$((n+1)); echo $n; done',
      'other\nthree\n1\n2\n',
    ],
    ['command substitution', 'echo "<$(printf "a\\nb\\n\\n")>" $(seq 3)', '<a\nb> 1 2 3\n'],
    ['functions and $?', 'f() { return $1; }; f 3; echo $? $#; false || echo no; true && echo yes; ! true; echo $?', '3 0\nno\nyes\n1\n'],
    ['subshells keep their changes to themselves', 'x=1; (x=2; cd /tmp; echo $x); echo $x; pwd', '2\n1\n/root\n'],
    ['brace expansion and globs', 'echo a{1..3}b {x,y}; cd /sys/class/net; echo *', 'a1b a2b a3b x y\neth0 lo\n'],
    ['here-documents', 'x=5; cat <<E\nv $x\nE', 'v 5\n'],
    ['printf', String.raw`printf '%s=%03d|%-4s|%x\n' a 7 b 255 c 8 d 16`, 'a=007|b   |ff\nc=008|d   |10\n'],
  ])('%s', async (_name, script, want) => {
    const r = await sh(script);
    expect(r.err).toBe('');
    expect(r.out).toBe(want);
  });

  test('an unknown command is 127 with the words of bash', async () => {
    expect(await sh('nosuch --x; echo $?')).toMatchObject({ out: '127\n', err: 'bash: line 1: nosuch: command not found\n' });
  });

  test('a command that Linux has and we do not is named as such', async () => {
    expect(await sh('nft list ruleset')).toMatchObject({ status: 127, err: 'ringscope: nft: this command is not modelled\n' });
  });

  test('a ping of 70,000 bytes is sent by nobody: its statistics say so', async () => {
    expect(await sh('ping -c 1 -s 70000 10.0.0.2')).toMatchObject({
      status: 1,
      out: 'PING 10.0.0.2 (10.0.0.2) 70000(70028) bytes of data.\n\n--- 10.0.0.2 ping statistics ---\n1 packets transmitted, 0 received, 100% packet loss, time 0ms\n\n',
    });
  });

  test('a syntax error does not take the lines before it away', async () => {
    const r = await sh('echo one\nif then\necho two\n');
    expect(r.out).toContain('one\n');
    expect(r.err).toMatch(/^bash: /);
  });
});

describe('streams', () => {
  test('a pipeline streams: head ends ping', async () => {
    const r = await sh('ping 10.0.0.2 | head -n 3');
    expect(r.out.split('\n')).toHaveLength(4);
    expect(r.out).toContain('icmp_seq=2');
    expect(r.time).toBeLessThan(4e9);
  });

  test('redirections go to files of the machine and come back', async () => {
    const r = await sh(
      'echo a > /tmp/f; echo b >> /tmp/f; cat /tmp/f; wc -l < /tmp/f; ls /nosuch 2>/tmp/e; cat /tmp/e; { echo x; echo y >&2; } >/tmp/g 2>&1; cat /tmp/g',
    );
    expect(r.out).toBe("a\nb\n2\nls: cannot access '/nosuch': No such file or directory\nx\ny\n");
  });

  test('a redirection into a missing folder is an error of the command', async () => {
    expect(await sh('echo a > /nosuch/f; echo $?')).toMatchObject({
      out: '1\n',
      err: 'bash: line 1: /nosuch/f: No such file or directory\n',
    });
  });

  test('grep, tail, wc, awk, sed, sort over what the kernel prints', async () => {
    const r = await sh(
      "ip -o link | grep -c BROADCAST; seq 5 | tail -n 2; ip link | wc -l; echo 'b 2\na 1' | sort | awk '{print $2}' | sed 's/^/n=/'",
    );
    expect(r.out).toBe('1\n4\n5\n4\nn=1\nn=2\n');
  });

  test('grep answers like grep: status, -n, -v, -o, context, missing file', async () => {
    const r = await sh(
      `printf 'one\\ntwo\\nthree\\n' > /tmp/f; grep -n t /tmp/f; grep -v t /tmp/f; grep -o 'th[a-z]*' /tmp/f; grep -A1 one /tmp/f; grep -q zzz /tmp/f; echo $?; grep x /nosuch; echo $?`,
    );
    expect(r.out).toBe('2:two\n3:three\none\nthree\none\ntwo\n1\n2\n');
    expect(r.err).toBe('grep: /nosuch: No such file or directory\n');
  });
});

describe('time and jobs', () => {
  test('sleep takes simulated time', async () => {
    const r = await sh('sleep 2.5; echo done');
    expect(r.out).toBe('done\n');
    expect(r.time).toBeGreaterThanOrEqual(2.5e9);
    expect(r.time).toBeLessThan(2.6e9);
  });

  test('background jobs run at the same time, wait gives their status', async () => {
    const r = await sh('(sleep 1; exit 3) & a=$!; (sleep 1; echo b) & wait $a; echo $?; wait; echo end');
    expect(r.out).toBe('3\nb\nend\n'.replace('3\nb', r.out.startsWith('3') ? '3\nb' : 'b\n3'));
    expect(r.time).toBeLessThan(1.2e9);
  });

  test('kill -INT ends ping with its statistics', async () => {
    const r = await sh('ping 10.0.0.2 > /tmp/p & P=$!; sleep 2.5; kill -INT $P; wait $P; echo $?; tail -n 2 /tmp/p');
    expect(r.out).toMatch(/^0\n3 packets transmitted, 3 received, 0% packet loss, time 2\d\d\dms\nrtt min/);
  });

  test('kill of nobody says so', async () => {
    expect(await sh('kill 99999; echo $?')).toMatchObject({ out: '1\n', err: 'bash: line 1: kill: (99999) - No such process\n' });
  });

  test('timeout ends what takes too long with 124', async () => {
    const r = await sh('timeout 2 sleep 60; echo $?; timeout 5 echo fine');
    expect(r.out).toBe('124\nfine\n');
    expect(r.time).toBeLessThan(3e9);
  });
});

describe('namespaces', () => {
  test('ip netns exec runs programs and text tools inside', async () => {
    const r = await sh(
      'ip netns add test; ip netns exec test ip -br link; ip netns exec test ls /sys/class/net; ip netns exec test sh -c "ip link | grep -c mtu"',
    );
    expect(r.err).toBe('');
    expect(r.out).toBe('lo               DOWN           00:00:00:00:00:00 <LOOPBACK> \nlo\n1\n');
  });

  test('a missing namespace is an error of ip', async () => {
    expect(await sh('ip netns exec nosuch ls; echo $?')).toMatchObject({
      out: '255\n',
      err: 'Cannot open network namespace "nosuch": No such file or directory\n',
    });
  });
});
