/** XenStore-Logic as ennead-xenstored runs it, and a way to poison it. */
import './poison.ts';
import '../../src/xenstored/logic.ts';
