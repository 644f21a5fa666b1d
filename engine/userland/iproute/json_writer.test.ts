// The layout of JSON text, compact and pretty.
import { expect, test } from 'vitest';
import { JsonWriter } from './json_writer.ts';

function sample(pretty: boolean): string {
  const j = new JsonWriter(pretty);
  j.startArray();
  j.startObject();
  j.field('name', 'eth0');
  j.startArray('flags');
  j.value('UP');
  j.value('LOWER_UP');
  j.endArray();
  j.startArray('empty');
  j.endArray();
  j.endObject();
  j.startObject();
  j.field('mtu', 1500);
  j.endObject();
  j.endArray();
  return j.take();
}

test('compact text has no blanks at all', () => {
  expect(sample(false)).toBe('[{"name":"eth0","flags":["UP","LOWER_UP"],"empty":[]},{"mtu":1500}]');
});

test('pretty text indents members by four per level and keeps arrays of words on one line', () => {
  expect(sample(true)).toBe(
    '[ {\n        "name": "eth0",\n        "flags": [ "UP","LOWER_UP" ],\n        "empty": [ ]\n    },{\n        "mtu": 1500\n    } ]',
  );
  expect(JSON.parse(sample(true))).toEqual(JSON.parse(sample(false)));
});
