// MessageChannelMain: pairs of ports; one may go to a page, where it becomes a DOM MessagePort.
import { EventEmitter } from 'node:events';

class MessagePortMain extends EventEmitter {
  peer = undefined;
  started = false;
  closed = false;
  queue = [];
  /** Set when the port went to a page: hands a message there. */
  away = undefined;

  postMessage(message, transfer = []) {
    if (transfer.length > 0) throw new Error('the stand-in does not send ports through ports');
    // what is sent is a copy of now; the contract's messages are plain JSON
    if (!this.closed) this.peer.arrive(JSON.parse(JSON.stringify(message)));
  }
  start() {
    this.started = true;
    for (const data of this.queue.splice(0)) this.emit('message', { data, ports: [] });
  }
  close() {
    if (this.closed) return;
    this.closed = true;
    this.peer.disconnected();
  }
  arrive(data) {
    if (this.away !== undefined) this.away(data);
    else if (this.started) this.emit('message', { data, ports: [] });
    else this.queue.push(data);
  }
  disconnected() {
    if (this.closed) return;
    this.closed = true;
    this.emit('close');
  }
}

export class MessageChannelMain {
  port1 = new MessagePortMain();
  port2 = new MessagePortMain();
  constructor() {
    this.port1.peer = this.port2;
    this.port2.peer = this.port1;
  }
}
