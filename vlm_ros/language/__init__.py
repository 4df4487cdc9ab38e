"""What a text about an image says, before anybody looks.

`wording` takes the courtesies off a text and knows what is no English, `refusals` what no image
shows or what orders an answer, `windows` how far back it asks to look. `things` and `clauses` find
what it speaks of and what it says of that, `forms` and `comparison_forms` what it asks for;
`questions` reads a question or a statement into a `meaning`. The `expressions` modules read what
refers to one object.
"""
