"""Translation between the national (VNSW) and the ASEAN (WCO Data Model) form of business documents; pure.

problem, facts, kind   values that the other rooms use
envelope, answers      the VNSW Envelope: reading with its traps, writing, answers 99 and 00, status messages
schema, faults_in_tree XSD: loading from a mapping of names to bytes, every fault of a document at once
mapping, stylesheet    the mapping table and the two stylesheets compiled from it
codelist, rules        dated code lists; Schematron rules
profile, catalogue     a document type's profile; all profiles by procedure, type, function and date
convert                what the gateway does with a document: check, translate, read facts, answer errors
"""
