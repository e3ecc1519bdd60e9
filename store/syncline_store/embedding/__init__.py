"""Embedding models behind one Protocol: WordLlama, any OpenAI-compatible endpoint, sentence-transformers, LangChain's `Embeddings`.

What they share: texts become unit-length float32 rows, and what goes wrong is said in the errors of `syncline_contracts.errors`.
"""
