//! What the header declares, read from its text.

/// A declaration; types without the names of parameters, blanks made one.
#[derive(Clone, Debug, PartialEq)]
pub enum Declaration {
    Constant { name: String, value: String },
    Alias { name: String, of: String },
    Handle { name: String },
    Struct { name: String, fields: Vec<Field> },
    Callback { name: String, signature: Signature },
    Function { name: String, signature: Signature },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub of: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    pub result: String,
    pub parameters: Vec<String>,
}

/// All declarations, in the header's order; panics at what it cannot read, so that nothing is passed over.
pub fn read(header: &str) -> Vec<Declaration> {
    let (mut found, mut code) = (Vec::new(), String::new());
    for line in without_comments(header).lines() {
        if let Some(define) = line.strip_prefix("#define ") {
            let (name, value) = define.trim().split_once(' ').unwrap_or((define, ""));
            // CW_CALL is no value, and the include guard has none.
            if name.starts_with("CW_") && name != "CW_CALL" {
                found.push(Declaration::Constant { name: name.into(), value: value.trim().into() });
            }
        } else if !line.starts_with('#') {
            code.push_str(line);
            code.push(' ');
        }
    }
    let (types, functions) = code.split_once("extern \"C\" {").expect("the header opens extern \"C\"");
    let functions = functions.trim().strip_suffix('}').expect("the header closes extern \"C\"");
    found.extend(statements(types).iter().chain(&statements(functions)).map(|statement| declaration(statement)));
    found
}

fn without_comments(header: &str) -> String {
    let (mut out, mut rest) = (String::new(), header);
    while let Some((before, comment)) = rest.split_once("/*") {
        out.push_str(before);
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    out.push_str(rest);
    out.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

/// Cut at the semicolons that stand in no braces.
fn statements(code: &str) -> Vec<String> {
    let (mut all, mut one, mut depth) = (Vec::new(), String::new(), 0);
    for c in code.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                all.push(std::mem::take(&mut one));
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    assert!(one.trim().is_empty(), "what is this: {one}");
    all
}

fn declaration(statement: &str) -> Declaration {
    let statement = one_blank(statement);
    let Some(named) = statement.strip_prefix("typedef ") else {
        let (name, signature) = signature(&statement, "CW_CALL ");
        return Declaration::Function { name, signature };
    };
    if let Some((head, rest)) = named.split_once('{') {
        let (body, name) = rest.rsplit_once('}').expect("a struct ends");
        let name = name.trim();
        assert_eq!(head.trim(), format!("struct {name}"), "what is this: {statement}");
        let fields = body.split(';').map(str::trim).filter(|field| !field.is_empty()).map(field).collect();
        return Declaration::Struct { name: name.into(), fields };
    }
    if named.contains("(CW_CALL *") {
        let (name, signature) = signature(&named.replacen(')', "", 1), "(CW_CALL *");
        return Declaration::Callback { name, signature };
    }
    let (of, name) = named.rsplit_once(' ').expect("a type has a name");
    if of == format!("struct {name}") {
        return Declaration::Handle { name: name.into() };
    }
    Declaration::Alias { name: name.into(), of: of.into() }
}

fn signature(text: &str, mark: &str) -> (String, Signature) {
    let read = || {
        let (result, rest) = text.split_once(mark)?;
        let (name, parameters) = rest.split_once('(')?;
        let parameters = parameters.strip_suffix(')')?.split(',').map(|parameter| field(parameter.trim()).of).collect();
        Some((name.to_owned(), Signature { result: result.trim().into(), parameters }))
    };
    read().unwrap_or_else(|| panic!("what is this: {text}"))
}

/// A name and its type: `const uint8_t *data`, `char message[512]`; of `void` there is only a type.
fn field(text: &str) -> Field {
    assert!(!text.contains('('), "what is this: {text}");
    let (text, array) = text.split_at(text.find('[').unwrap_or(text.len()));
    let end = text.rfind([' ', '*']).map_or(text.len(), |end| end + 1);
    Field { name: text[end..].into(), of: format!("{}{array}", text[..end].trim()) }
}

fn one_blank(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
