/** A machine as Toolstack describes one: a disk, a CD, a card, a screen and a serial port. */
import type { Machine } from '../../../contracts/device-model.ts';

export const pc = (): Machine => ({
  guest: 16,
  name: 'pc',
  memoryMib: 256,
  videoMib: 16,
  vcpus: 2,
  choices: { boot: 'cd', vga: 'stdvga', usbTablet: false, serial: true, xenPlatform: false },
  drives: [
    { name: 'hda', device: 'xvda', cdrom: false, format: 'raw', readOnly: false },
    { name: 'hdc', device: 'xvdb', cdrom: true, format: 'raw', readOnly: true },
  ],
  cards: [{ index: 0, mac: '00:16:3e:11:22:33', model: 'e1000' }],
});
