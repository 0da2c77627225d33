//! JSON as text: laid out without reading its numbers, so that none loses a digit.

const STRING = /"(?:[^"\\]|\\.)*"/y
const SCALAR = /[^\s,:{}[\]"]+/y

/** The same JSON with a line for each member; what is no JSON comes back as it is. */
export function layOut(text: string): string {
  try {
    JSON.parse(text)
  } catch {
    return text
  }
  const out: string[] = []
  let depth = 0
  let position = 0
  const newLine = () => out.push('\n', '  '.repeat(Math.min(depth, 40)))
  while (position < text.length) {
    const char = text[position]!
    if (char === '"' || !' \t\r\n,:{}[]'.includes(char)) {
      const token = char === '"' ? STRING : SCALAR
      token.lastIndex = position
      const found = token.exec(text)![0]
      out.push(found)
      position += found.length
      continue
    }
    position += 1
    if (char === '{' || char === '[') {
      const next = /\S/g
      next.lastIndex = position
      const closing = next.exec(text)
      if (closing && (closing[0] === '}' || closing[0] === ']')) {
        out.push(char, closing[0])
        position = closing.index + 1
      } else {
        out.push(char)
        depth += 1
        newLine()
      }
    } else if (char === '}' || char === ']') {
      depth -= 1
      newLine()
      out.push(char)
    } else if (char === ',') {
      out.push(char)
      newLine()
    } else if (char === ':') {
      out.push(': ')
    }
  }
  return out.join('')
}
