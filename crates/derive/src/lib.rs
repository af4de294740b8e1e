//! `#[derive(Decode, Encode)]` for crate `data`: a struct's fields, an enum's words.
//!
//! serde's derive makes a function of its own for each type, and for each form that is read or written.
//! These make a list of the fields, which code reads and writes that exists once.
//!
//! `#[field(…)]` says what is unusual about a field: `optional`, it may be missing and stays at its
//! default then; `sparse`, the same, and it is not written where it is empty; `skip`, nobody else sees
//! it; `name = "type"`, what others call it. Before a struct, `optional` holds for all of its fields.
//! An enum's words are its variants in kebab case.
#![forbid(unsafe_code)]

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{parse_macro_input, Attribute, Data, DeriveInput, Error, Fields, Ident, LitStr, Result};

/// Reads the type in place, from the bus's form.
#[proc_macro_derive(Decode, attributes(field))]
pub fn decode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, &decode_struct, &decode_enum)
}

/// Writes the type in the bus's form.
#[proc_macro_derive(Encode, attributes(field))]
pub fn encode(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, &encode_struct, &encode_enum)
}

/// Who reads them notes in a number of 64 bits which ones were there.
const MOST_FIELDS: usize = 64;

/// What is said of a field, or of all of them.
#[derive(Clone, Default)]
struct How {
    optional: bool,
    sparse: bool,
    skip: bool,
    name: Option<LitStr>,
}

impl How {
    fn read(&mut self, attributes: &[Attribute]) -> Result<()> {
        for attribute in attributes.iter().filter(|a| a.path().is_ident("field")) {
            attribute.parse_nested_meta(|meta| {
                match () {
                    () if meta.path.is_ident("optional") => self.optional = true,
                    () if meta.path.is_ident("sparse") => self.sparse = true,
                    () if meta.path.is_ident("skip") => self.skip = true,
                    () if meta.path.is_ident("name") => self.name = Some(meta.value()?.parse()?),
                    () => return Err(meta.error("optional, sparse, skip or name")),
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// A struct's fields and how they are called, in order.
struct Named {
    fields: Vec<Ident>,
    names: Tokens,
}

impl Named {
    fn of(input: &DeriveInput, fields: &Fields) -> Result<Named> {
        let mut all = How::default();
        all.read(&input.attrs)?;
        let (mut named, mut names) = (Vec::new(), Vec::new());
        for field in fields {
            let mut how = all.clone();
            how.read(&field.attrs)?;
            let Some(ident) = field.ident.clone().filter(|_| !how.skip) else {
                continue;
            };
            let text = ident.to_string();
            let name = how.name.unwrap_or_else(|| LitStr::new(&text, ident.span()));
            let (optional, sparse) = (how.optional || how.sparse, how.sparse);
            names.push(quote!(::data::Name { name: #name, optional: #optional, sparse: #sparse }));
            named.push(ident);
        }
        if named.len() > MOST_FIELDS {
            return Err(Error::new(input.ident.span(), "too many fields"));
        }
        Ok(Named {
            fields: named,
            names: quote!(&[#(#names),*]),
        })
    }
}

type Expand<T> = dyn Fn(&DeriveInput, &T) -> Result<Tokens>;

fn expand(
    input: &DeriveInput,
    of_struct: &Expand<Fields>,
    of_enum: &Expand<Vec<Ident>>,
) -> TokenStream {
    let expanded = match &input.data {
        Data::Struct(data) if matches!(data.fields, Fields::Named(_)) => {
            of_struct(input, &data.fields)
        }
        Data::Enum(data) => {
            let plain = data.variants.iter().all(|v| v.fields.is_empty());
            let variants = data.variants.iter().map(|v| v.ident.clone()).collect();
            match plain {
                true => of_enum(input, &variants),
                false => Err(Error::new(
                    input.ident.span(),
                    "only for enums without data",
                )),
            }
        }
        _ => Err(Error::new(
            input.ident.span(),
            "only for structs with named fields",
        )),
    };
    expanded.unwrap_or_else(Error::into_compile_error).into()
}

fn decode_struct(input: &DeriveInput, fields: &Fields) -> Result<Tokens> {
    let Named { fields, names } = Named::of(input, fields)?;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let ident = &input.ident;
    Ok(quote! {
        impl #generics ::data::Decode for #ident #types #bounds {
            fn decode(&mut self, value: ::data::Value<'_>) -> Result<(), ::data::Unexpected> {
                ::data::decode_record(value, #names, &mut [#(&mut self.#fields),*])
            }
        }
    })
}

fn encode_struct(input: &DeriveInput, fields: &Fields) -> Result<Tokens> {
    let Named { fields, names } = Named::of(input, fields)?;
    let (generics, types, bounds) = input.generics.split_for_impl();
    let ident = &input.ident;
    Ok(quote! {
        impl #generics ::data::Encode for #ident #types #bounds {
            fn encode(&self, name: &str, out: &mut ::data::Out<'_>) {
                ::data::encode_record(name, #names, &[#(&self.#fields),*], out);
            }
        }
    })
}

fn decode_enum(input: &DeriveInput, variants: &Vec<Ident>) -> Result<Tokens> {
    let (ident, words) = (&input.ident, words(variants));
    Ok(quote! {
        impl ::data::Decode for #ident {
            fn decode(&mut self, value: ::data::Value<'_>) -> Result<(), ::data::Unexpected> {
                const VARIANTS: &[#ident] = &[#(#ident::#variants),*];
                *self = *::data::word(value, &[#(#words),*], VARIANTS)?;
                Ok(())
            }
        }
    })
}

fn encode_enum(input: &DeriveInput, variants: &Vec<Ident>) -> Result<Tokens> {
    let (ident, words) = (&input.ident, words(variants));
    Ok(quote! {
        impl ::data::Encode for #ident {
            fn encode(&self, name: &str, out: &mut ::data::Out<'_>) {
                let word = match self {
                    #(#ident::#variants => #words),*
                };
                out.string(name, word.as_bytes());
            }
        }
    })
}

/// `NotApplied` is `not-applied`.
fn words(variants: &[Ident]) -> Vec<String> {
    let word = |variant: &Ident| {
        let mut word = String::new();
        for c in variant.to_string().chars() {
            if c.is_uppercase() && !word.is_empty() {
                word.push('-');
            }
            word.extend(c.to_lowercase());
        }
        word
    };
    variants.iter().map(word).collect()
}
