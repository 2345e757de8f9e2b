/**
 * The temperature that a thermostat aims at, in °C.
 */
import { Code, changed, content, expectPreconditions, failure, type Resource } from 'coapsule';
import type { KeptText } from './kept-text.ts';
import { acceptedFormat, ContentFormat, expectFormat } from './negotiation.ts';

/** Until somebody sets it. */
export const firstSetpoint = '21';

const formats = [ContentFormat.text, ContentFormat.json];

/** The resource. `onChange` is told of a new target. */
export function setpoint(target: KeptText, onChange: () => void): Resource {
  return {
    get: (request) => content(target.text, { contentFormat: acceptedFormat(request, formats) }),
    put: async (request) => {
      expectFormat(request, formats);
      const text = request.text().trim();
      const value = Number(text);
      if (!/^-?\d+(\.\d+)?$/.test(text) || value < 5 || value > 35) {
        return failure(Code.BadRequest, 'send a temperature from 5 to 35 °C, such as 22.5');
      }
      expectPreconditions(request, { exists: true });
      await target.change(() => `${value}`);
      onChange();
      return changed();
    },
    observable: true,
    attributes: { rt: 'setpoint', ct: formats },
    conditional: true,
    maxBodyBytes: 64,
  };
}
